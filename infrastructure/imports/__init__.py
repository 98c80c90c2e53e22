"""Reads files of people, and tries imports out."""
