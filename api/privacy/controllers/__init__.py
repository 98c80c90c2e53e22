"""The URLs of exports and erasures."""
