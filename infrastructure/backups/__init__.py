"""Backups of the log, with the keys apart from it, and the way back (docs/decisions/0013-backups.md)."""
