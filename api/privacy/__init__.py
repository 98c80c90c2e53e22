"""Exports, erasures and keys, over HTTP and on the command line."""
