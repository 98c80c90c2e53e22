"""Exports of a person's data, erasures, and when they are due."""
