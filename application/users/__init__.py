"""People's accounts: the use cases, the directory, and what can be asked about one of them."""
