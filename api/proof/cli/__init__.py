"""The commands that prove and verify."""
