"""Runs commands: loads aggregates, decides, records what is new, exactly once."""
