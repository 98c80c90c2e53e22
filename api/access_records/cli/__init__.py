"""The commands of access records."""
