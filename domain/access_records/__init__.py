"""That somebody has read personal data."""
