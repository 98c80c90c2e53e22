"""Follows the log, shared out among workers, past events that cannot be folded."""
