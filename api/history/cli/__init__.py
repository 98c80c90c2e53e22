"""`reprise audit`: history, search and comparison."""
