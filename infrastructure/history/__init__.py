"""Answers what was done to accounts."""
