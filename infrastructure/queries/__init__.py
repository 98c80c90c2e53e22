"""Answers questions: from the log for one user, from the read models for many."""
