"""The URLs of health, metrics, read models and dead letters."""
