"""Proof that nobody rewrote the log: a Merkle tree over it, signed checkpoints, bundles that anybody can check.

Nothing in here imports a database, a network or anything else of this service, so that whoever wants to check the
service needs to trust, and to read, these few modules only (docs/auditors.md).
"""
