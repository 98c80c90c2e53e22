"""Tells of a rebuild under way whether it moves, and if not, which lock it waits for and who holds it.

What waits cannot say so itself, so this is a thread with a connection of its own. It finds the rebuild's other sessions
by their name.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import LiteralString
from uuid import UUID

import psycopg
from psycopg.conninfo import make_conninfo

from infrastructure.log.reader import Connection
from infrastructure.postgres.unavailability import is_unavailable

LOOK_SECONDS = 1.0
STALLED_SECONDS = 60.0
"""A rebuild that nobody has seen move for so long stands still."""

OnWait = Callable[[str | None], None]
"""Called at each look with what a rebuild waits for, None if for nothing."""

IS_STALLED: LiteralString = (
    "(state = 'running' AND progressed_at >= started_at "
    f"AND progressed_at < clock_timestamp() - make_interval(secs => {STALLED_SECONDS}))"
)
"""The condition on a row of `projection.rebuild`. One begun by a program that does not tell is given the doubt."""

_LOOK = """
WITH session AS (
    SELECT pid, state = 'active' AND wait_event_type IS DISTINCT FROM 'Lock'
        AND wait_event_type IS DISTINCT FROM 'Client' AS works
    FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = %(session)s AND pid <> pg_backend_pid()
), blocked AS (
    -- Who waits for a row waits for the end of a transaction, and has the next turn at the row meanwhile.
    SELECT coalesce(
               w.relation::regclass::text,
               'a row of ' || (SELECT t.relation::regclass FROM pg_locks t
                               WHERE t.pid = w.pid AND t.locktype = 'tuple' AND t.granted LIMIT 1),
               w.locktype) AS thing, b.pid AS holder
    FROM session JOIN pg_locks w USING (pid) CROSS JOIN unnest(pg_blocking_pids(w.pid)) AS b (pid)
    WHERE NOT w.granted
    ORDER BY w.waitstart, w.pid, b.pid LIMIT 1
)
SELECT coalesce((SELECT bool_or(works) FROM session), false),
       (SELECT format('%%s, held by process %%s%%s', b.thing, b.holder,
                      coalesce(' (' || nullif(h.application_name, '') || ')', ''))
        FROM blocked b LEFT JOIN pg_stat_activity h ON h.pid = b.holder)
"""
_NOTE = """
UPDATE projection.rebuild SET
    progressed_at = CASE WHEN %(works)s THEN clock_timestamp() ELSE progressed_at END, waiting_for = %(waiting_for)s
WHERE id = %(request)s AND state = 'running' AND (%(works)s OR waiting_for IS DISTINCT FROM %(waiting_for)s)
"""


def session_of(name: str) -> str:
    """What the sessions of a model's rebuild are called, in the 63 octets that a name may have."""
    return f"reprise rebuild {name}"[:63]


def named_for(conninfo: str, name: str) -> str:
    """The same database, in sessions that can be told to belong to a model's rebuild."""
    return make_conninfo(conninfo, application_name=session_of(name))


def is_stalled(connection: Connection, name: str) -> bool:
    """Whether the rebuild of a model stands still."""
    row = connection.execute(
        f"SELECT FROM projection.rebuild WHERE name = %s AND {IS_STALLED}",
        (name,),
    ).fetchone()
    return row is not None


@contextmanager
def watched(conninfo: str, name: str, request: UUID, on_wait: OnWait) -> Iterator[None]:
    """Watch a rebuild for as long as the context lasts; `on_wait` is called from another thread."""
    ended = threading.Event()
    watch = threading.Thread(target=_watch, args=(conninfo, name, request, on_wait, ended), daemon=True)
    watch.start()
    try:
        yield
    finally:
        ended.set()
        watch.join(LOOK_SECONDS)


def _watch(conninfo: str, name: str, request: UUID, on_wait: OnWait, ended: threading.Event) -> None:
    while not ended.wait(LOOK_SECONDS):
        try:
            with psycopg.connect(conninfo, autocommit=True) as connection:
                while not ended.wait(LOOK_SECONDS):
                    works, waiting_for = _look(connection, name)
                    connection.execute(_NOTE, {"works": works, "waiting_for": waiting_for, "request": request})
                    on_wait(waiting_for)
        except psycopg.Error as error:
            if not is_unavailable(error):
                raise


def _look(connection: Connection, name: str) -> tuple[bool, str | None]:
    """Whether a session works, and what one waits for. That is shown to the login whose they are, not to its roles."""
    with connection.transaction():
        connection.execute("SET LOCAL ROLE NONE")
        row = connection.execute(_LOOK, {"session": session_of(name)}).fetchone()
    return row or (False, None)
