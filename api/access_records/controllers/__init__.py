"""The URLs of access records."""
