"""Badges, from URL to erasure."""
