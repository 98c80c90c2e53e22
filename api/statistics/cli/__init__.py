"""`reprise statistics`."""
