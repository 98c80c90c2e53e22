"""Proofs, without any database."""
