"""The proof that nobody has changed the log, over HTTP and on the command line."""
