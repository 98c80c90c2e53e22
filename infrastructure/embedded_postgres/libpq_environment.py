"""The environment variables of libpq, PostgreSQL's client library: they bend every program that uses it."""

import os

from psycopg import pq

_OF_SESSIONS = ("PGCLIENTENCODING", "PGDATESTYLE", "PGGEQO", "PGOPTIONS", "PGTZ")


def forget_environment(*, wholly: bool) -> None:
    """Take from this process the variables that would change a session or, `wholly`, any that say where to connect.

    The embedded server is where it is, whatever they say. For another one they may add to the connection string, as
    with every program of PostgreSQL.
    """
    of_connections = [option.envvar.decode() for option in pq.Conninfo.get_defaults() if option.envvar]
    for name in (*_OF_SESSIONS, *(of_connections if wholly else ())):
        os.environ.pop(name, None)
