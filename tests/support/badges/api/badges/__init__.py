"""Badges: people thank each other."""
