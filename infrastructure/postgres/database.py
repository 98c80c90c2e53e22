"""The database of a process: the one that the settings name, or the embedded server, which runs while it is used."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from infrastructure.embedded_postgres import embedded_postgres
from infrastructure.embedded_postgres.libpq_environment import forget_environment
from infrastructure.encryption.keychain import grant
from infrastructure.postgres.connections import is_pinned, pinned
from infrastructure.postgres.database_security import check_database_urls
from infrastructure.postgres.logins import EMBEDDED, ROLES, Login, admit_logins, provide_logins, require_roles
from infrastructure.postgres.schema import check_schema, migrate
from infrastructure.settings import SettingInvalidError, Settings

OLDEST_VERSION = 15
CONNECT_SECONDS = 10
_REFUSAL_OF_SETTINGS = "unsupported startup parameter"
"""What PgBouncer says, unless it is configured to ignore the parameter."""
_LEAVES_SETTINGS_OUT = (
    "{} leads to something that leaves out the settings of a session (`options`), such as a connection pooler. "
    "Connect to PostgreSQL itself."
)


class DatabaseUnavailableError(Exception):
    """The database cannot be used; the message says why and what its reader can do about it."""


@contextmanager
def owners_database(settings: Settings) -> Iterator[str]:
    """How its owner connects to the database, for as long as the context lasts; its schema is whatever it is.

    Raises `DatabaseUnavailableError`, `SettingInvalidError` and `EmbeddedPostgresError`.
    """
    if settings.is_embedded:
        with embedded_postgres(settings.home / "postgres") as server:
            yield pinned(server.conninfo())
    else:
        yield reached_as(Login.OWNER, settings)


@contextmanager
def migrated_database(settings: Settings, login: Login) -> Iterator[str]:
    """How to connect to the database with one of its logins, in the schema that this program needs.

    The embedded one is brought to it; one that others run has to be there already: `SchemaIsOutOfDateError`. Raises
    `LoginMayTooLittleError`, too.
    """
    grant(settings)
    if settings.is_embedded:
        with owners_database(settings) as conninfo:
            migrate_embedded(conninfo)
            yield embedded_as(login, conninfo)
    else:
        conninfo = reached_as(login, settings)
        check_schema(conninfo)
        if login is not Login.OWNER:
            require_roles(conninfo, login)
        yield conninfo


def migrate_embedded(conninfo: str) -> list[str]:
    """Bring the embedded database to the schema and logins that this program needs; the names of what was applied."""
    applied = migrate(conninfo)
    provide_logins(conninfo)
    return applied


def migrate_owned(settings: Settings, conninfo: str) -> list[str]:
    """Bring the database to the schema that this program needs, as its owner; the names of what was applied.

    The logins that the settings name may take its roles afterwards.
    """
    if settings.is_embedded:
        return migrate_embedded(conninfo)
    applied = migrate(conninfo)
    admit_named_logins(settings, conninfo)
    return applied


def admit_named_logins(settings: Settings, conninfo: str) -> None:
    """Let the logins of processes that the settings name take the roles of the database, as its owner."""
    admit_logins(conninfo, named_logins(settings))


def named_logins(settings: Settings) -> dict[Login, str]:
    """The logins of processes that the settings name, for a server that others run."""
    urls = {login: _named(login, settings)[1] for login in ROLES}
    users = {login: conninfo_to_dict(url).get("user") for login, url in urls.items() if url}
    return {login: str(user) for login, user in users.items() if user}


def embedded_as(login: Login, conninfo: str) -> str:
    """The embedded database with one of its logins."""
    return make_conninfo(conninfo, user=EMBEDDED[login])


def require_data(settings: Settings) -> None:
    """Raise `DatabaseUnavailableError` where there is nothing to read yet, instead of making an empty database."""
    if settings.is_embedded and not (settings.home / "postgres" / "data").exists():
        raise DatabaseUnavailableError(
            f"There is no database in {settings.home} yet. Start Reprise once with `reprise run`, or set REPRISE_HOME."
        )


def reached_as(login: Login, settings: Settings) -> str:
    """The database that the settings name, with one of its logins, which turns out to work.

    Raises `DatabaseUnavailableError` and `SettingInvalidError`.
    """
    variable, url = _named(login, settings)
    if url is None:
        raise SettingInvalidError("REPRISE_DATABASE_URL", f"must be set: it is the login of the {login}")
    check_database_urls(settings)
    return _reached(variable, url)


def _named(login: Login, settings: Settings) -> tuple[str, str | None]:
    """The variable that names the login, and what it says."""
    if login is Login.OWNER and settings.owner_database_url:
        return "REPRISE_OWNER_DATABASE_URL", settings.owner_database_url
    if login is Login.WORKER and settings.worker_database_url:
        return "REPRISE_WORKER_DATABASE_URL", settings.worker_database_url
    return "REPRISE_DATABASE_URL", settings.database_url


def _reached(variable: str, url: str) -> str:
    forget_environment(wholly=False)
    try:
        patience = conninfo_to_dict(url).get("connect_timeout", CONNECT_SECONDS)
        conninfo = pinned(make_conninfo(url, connect_timeout=patience))
    except psycopg.ProgrammingError:  # Its message would repeat the password.
        raise SettingInvalidError(variable, "is not a valid PostgreSQL connection string") from None
    try:
        with psycopg.connect(conninfo, autocommit=True) as connection:
            version = connection.info.server_version // 10_000
            passes_settings_on = is_pinned(connection)
    except psycopg.OperationalError as error:
        if _REFUSAL_OF_SETTINGS in str(error):
            raise DatabaseUnavailableError(_LEAVES_SETTINGS_OUT.format(variable)) from error
        raise DatabaseUnavailableError(f"{variable} cannot be reached: {_one_line(error)}") from error
    if version < OLDEST_VERSION:
        raise DatabaseUnavailableError(
            f"{variable} is PostgreSQL {version}, but at least {OLDEST_VERSION} is required."
        )
    if not passes_settings_on:
        raise DatabaseUnavailableError(_LEAVES_SETTINGS_OUT.format(variable))
    return conninfo


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
