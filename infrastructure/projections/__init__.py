"""The projection engine: follows the log, rebuilds read models from it (docs/decisions/0003-projection-engine.md)."""
