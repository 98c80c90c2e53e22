"""The technology: PostgreSQL log, projection engine, keys, mail, settings."""
