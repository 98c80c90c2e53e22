"""`reprise log`: the state of the log."""

from collections.abc import Iterator
from typing import Any

from cyclopts import App
from psycopg.rows import dict_row

from api.cli.database import Database, open_database
from api.cli.failures import ExitCode, Failure
from api.cli.terminal import Rows, answer
from infrastructure.postgres.connections import as_app
from infrastructure.postgres.logins import Login

app = App(name="log", help="Show the state of the log.")

_STATUS = """
SELECT h."position" AS head,
       (SELECT e.recorded_at FROM log.event e ORDER BY e."position" LIMIT 1) AS "firstRecordedAt",
       CASE WHEN isfinite(h.recorded_at) THEN h.recorded_at END AS "lastRecordedAt",
       pg_total_relation_size('log.event') AS "eventBytes",
       pg_total_relation_size('log.command') AS "commandBytes",
       pg_database_size(current_database()) AS "databaseBytes",
       coalesce((SELECT min(e."position") FROM log.event e), 1) = 1
           AND coalesce((SELECT max(e."position") FROM log.event e), 0) = h."position" AS "isWhole"
FROM log.tip h
"""
_TOPICS = 'SELECT topic, count(*) AS events FROM log.event WHERE "position" <= %s GROUP BY topic ORDER BY topic'


@app.command
def status(*, topics: bool = False, json: bool = False) -> int:
    """Show the length, age and size of the log, and whether it is complete.

    The log is complete if its positions begin at 1 and end at the head; with --topics, also if none between is missing.
    If it is not complete, the exit code is 1.

    Parameters
    ----------
    topics
        Count the events of each topic, too. This reads the whole log.
    json
        Write JSON.

    """
    with open_database(Login.API) as database:
        found = _status(database, topics=topics)
    answer(found, *_told(found), json=json)
    if found["isWhole"]:
        return ExitCode.DONE
    if json:
        return ExitCode.FAILED
    raise Failure("The log is incomplete: positions are missing.", "log_not_whole")


def _status(database: Database, *, topics: bool) -> dict[str, Any]:
    with database.connected(as_app) as connection, connection.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute(_STATUS).fetchone() or {}
        if topics:
            counts = cursor.execute(_TOPICS, (found["head"],)).fetchall()
            found["topics"] = {row["topic"]: row["events"] for row in counts}
            found["isWhole"] = found["isWhole"] and sum(found["topics"].values()) == found["head"]
    return found


def _told(found: dict[str, Any]) -> Iterator[str | Rows]:
    yield Rows(("", ""), _lines(found))
    if "topics" in found:
        yield ""
        yield Rows(("topic", "events"), found["topics"].items())


def _lines(found: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    yield "head", found["head"]
    yield "first event", found["firstRecordedAt"]
    yield "last event", found["lastRecordedAt"]
    for name, key in (("events", "eventBytes"), ("command keys", "commandBytes"), ("whole database", "databaseBytes")):
        yield f"{name}, MB", round(found[key] / 1_000_000, 1)
    yield "complete", found["isWhole"]
