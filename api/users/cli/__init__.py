"""`reprise users`, and how commands find the person that is meant."""
