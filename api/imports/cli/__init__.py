"""`reprise import`."""
