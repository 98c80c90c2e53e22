"""The service's own secrets, and codes that are made with them."""
