"""What operators see of the service, and can have done about it."""
