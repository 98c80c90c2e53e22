"""Reads read models: in pages, as fresh as is asked for."""
