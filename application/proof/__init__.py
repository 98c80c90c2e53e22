"""Proof that nobody has changed the log: a Merkle tree, signed checkpoints, bundles that anybody can verify.

Nothing here imports a database, the network or other parts of this service, so auditors need to read and trust only
these few modules (docs/auditors.md).
"""
