"""The database of a process: the one that the settings name, or the embedded server, which runs while it is used."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from infrastructure.embedded_postgres import embedded_postgres
from infrastructure.privacy.keychain import grant
from infrastructure.schema import check_schema, migrate
from infrastructure.settings import SettingInvalidError, Settings

OLDEST_VERSION = 15
CONNECT_SECONDS = 10


class DatabaseUnavailableError(Exception):
    """The database cannot be used; the message says why and what its reader can do about it."""


@contextmanager
def database(settings: Settings) -> Iterator[str]:
    """How to connect to the database, for as long as the context lasts; its schema is whatever it is.

    Raises `DatabaseUnavailableError`, `SettingInvalidError` and `EmbeddedPostgresError`.
    """
    if settings.database_url is None:
        with embedded_postgres(settings.home / "postgres") as server:
            yield server.conninfo()
    else:
        yield _reached(settings.database_url)


@contextmanager
def migrated_database(settings: Settings) -> Iterator[str]:
    """The database in the schema that this program needs.

    The embedded one is brought to it; one that others run has to be there already: `SchemaIsOutOfDateError`.
    """
    grant(settings)
    with database(settings) as conninfo:
        if settings.database_url is None:
            migrate(conninfo)
        else:
            check_schema(conninfo)
        yield conninfo


def require_data(settings: Settings) -> None:
    """Raise `DatabaseUnavailableError` where there is nothing to read yet, instead of making an empty database."""
    if settings.database_url is None and not (settings.home / "postgres" / "data").exists():
        raise DatabaseUnavailableError(
            f"There is no database in {settings.home} yet. Start Reprise once with `reprise run`, or set REPRISE_HOME."
        )


def _reached(url: str) -> str:
    try:
        patience = conninfo_to_dict(url).get("connect_timeout", CONNECT_SECONDS)
        conninfo = make_conninfo(url, connect_timeout=patience)
    except psycopg.ProgrammingError:  # Its message would repeat the password.
        raise SettingInvalidError("REPRISE_DATABASE_URL", "is not how one connects to PostgreSQL") from None
    try:
        with psycopg.connect(conninfo) as connection:
            version = connection.info.server_version // 10_000
    except psycopg.OperationalError as error:
        raise DatabaseUnavailableError(f"REPRISE_DATABASE_URL cannot be reached: {_one_line(error)}") from error
    if version < OLDEST_VERSION:
        raise DatabaseUnavailableError(f"REPRISE_DATABASE_URL is PostgreSQL {version}; {OLDEST_VERSION} is the oldest.")
    return conninfo


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
