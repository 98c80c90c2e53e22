"""The outside: the HTTP API and the command line."""
