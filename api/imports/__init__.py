"""Imports, on the command line."""
