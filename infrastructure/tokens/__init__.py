"""Access tokens: verified, issued for operators and tests, and the keys for both."""
