"""The URLs of badges."""
