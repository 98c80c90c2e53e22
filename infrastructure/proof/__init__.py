"""Seals the log: its Merkle tree and its signed checkpoints, made, kept, asked and verified."""
