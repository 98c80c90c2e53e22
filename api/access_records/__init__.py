"""Access records, over HTTP and on the command line."""
