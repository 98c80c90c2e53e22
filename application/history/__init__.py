"""What was done to accounts, when, by whom and why."""
