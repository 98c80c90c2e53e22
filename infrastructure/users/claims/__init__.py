"""Claims of email addresses, where they depend on a key (docs/decisions/0018-rotation-of-the-claims-key.md)."""
