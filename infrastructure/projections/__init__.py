"""The projection engine: follows the log and rebuilds read models from it (docs/decisions/0003-projection-engine.md)."""
