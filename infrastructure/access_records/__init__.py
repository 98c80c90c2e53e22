"""Records readings of personal data, and answers who read whose."""
