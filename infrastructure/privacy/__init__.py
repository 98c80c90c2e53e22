"""What the worker does about people who are to be erased, or were (docs/decisions/0004-privacy.md)."""
