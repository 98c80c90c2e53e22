"""What people can ask for about their data."""
