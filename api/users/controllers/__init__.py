"""The URLs of people's accounts."""
