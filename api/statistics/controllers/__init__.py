"""The URLs of statistics."""
