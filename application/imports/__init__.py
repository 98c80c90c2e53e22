"""People taken over from another system."""
