"""The commands about badges."""
