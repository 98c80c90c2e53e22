"""`reprise privacy`, `reprise keys`, and what `reprise users` does about a person's data."""
