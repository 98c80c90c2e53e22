"""Makes sure that in production the way to the database is encrypted, to nobody but the database."""

import os
from collections.abc import Mapping
from itertools import zip_longest

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import Conninfo

from infrastructure.network import is_loopback
from infrastructure.settings import SettingInvalidError, Settings

_VERIFYING = frozenset({"verify-full", "verify-ca"})


def check_database_urls(settings: Settings) -> None:
    """In production, connect over a network only to a server whose certificate is verified.

    Raises `SettingInvalidError`, before anything is sent.
    """
    given = {
        "REPRISE_DATABASE_URL": settings.database_url,
        "REPRISE_WORKER_DATABASE_URL": settings.worker_database_url,
        "REPRISE_OWNER_DATABASE_URL": settings.owner_database_url,
    }
    for variable, url in given.items():
        if settings.production and url is not None and not _is_protected(variable, url):
            raise SettingInvalidError(
                variable,
                "must have sslmode=verify-full (or verify-ca, with a certificate authority of your own) in production, "
                "unless it leads to this machine itself",
            )


def _is_protected(variable: str, url: str) -> bool:
    given = _parameters(variable, url)
    if "service" in given or os.environ.get("PGSERVICE"):
        return given.get("sslmode") in _VERIFYING  # What else holds is in a file of libpq's.
    given = {**_defaults(), **given}
    return given.get("sslmode") in _VERIFYING or _stays_here(given)


def _parameters(variable: str, url: str) -> dict[str, str]:
    try:
        return {name: str(value) for name, value in conninfo_to_dict(url).items() if value is not None}
    except psycopg.ProgrammingError:  # Its message would repeat the password.
        raise SettingInvalidError(variable, "is not a valid PostgreSQL connection string") from None


def _defaults() -> dict[str, str]:
    """What libpq takes from its own environment."""
    return {option.keyword.decode(): option.val.decode() for option in Conninfo.get_defaults() if option.val}


def _stays_here(given: Mapping[str, str]) -> bool:
    """Whether every host that may be connected to is a Unix socket or the loopback interface."""
    hosts, addresses = (given.get(name, "").split(",") for name in ("host", "hostaddr"))
    places = (address or host for host, address in zip_longest(hosts, addresses, fillvalue=""))
    return all(not place or place.startswith(("/", "@")) or is_loopback(place) for place in places)
