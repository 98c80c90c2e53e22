"""Personal data: sealed with a key of each person's own, and forgotten with it (docs/decisions/0004-privacy.md)."""
