"""The URLs of the history."""
