"""Checks rows of read models against the log."""
