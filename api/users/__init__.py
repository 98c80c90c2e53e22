"""People's accounts, over HTTP and on the command line."""
