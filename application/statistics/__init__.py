"""Counts that name nobody, and what can be asked about them."""
