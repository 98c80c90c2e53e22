"""Exports of a person's data, erasures and their receipts (docs/decisions/0004-privacy.md)."""
