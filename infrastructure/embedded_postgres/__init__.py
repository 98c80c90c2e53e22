"""A real PostgreSQL that needs no installation: it runs while somebody uses it, and only they can reach it."""

from infrastructure.embedded_postgres.errors import EmbeddedPostgresError
from infrastructure.embedded_postgres.server import EmbeddedPostgres, embedded_postgres, serving_process

__all__ = ["EmbeddedPostgres", "EmbeddedPostgresError", "embedded_postgres", "serving_process"]
