"""Answers how the service itself is: read models, rebuilds, mails."""
