"""The history of accounts, over HTTP and on the command line."""
