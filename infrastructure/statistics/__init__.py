"""Answers counts."""
