"""`reprise log`: the state of the log."""

from collections.abc import Iterator
from typing import Any

import psycopg
from cyclopts import App
from psycopg.rows import dict_row

from api.cli.failures import ExitCode, Failure
from api.cli.terminal import say, write_json, write_table
from infrastructure.postgres.connections import APP_ROLE, in_role
from infrastructure.postgres.database import migrated_database, require_data
from infrastructure.postgres.logins import Login
from infrastructure.settings import settings_from

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
    settings = settings_from()
    require_data(settings)
    with migrated_database(settings, Login.API) as conninfo:
        found = _status(conninfo, topics=topics)
    if json:
        write_json(found)
        return ExitCode.DONE if found["isWhole"] else ExitCode.FAILED
    _write(found)
    if not found["isWhole"]:
        raise Failure("The log is incomplete: positions are missing.", "log_not_whole")
    return ExitCode.DONE


def _status(conninfo: str, *, topics: bool) -> dict[str, Any]:
    with psycopg.connect(in_role(conninfo, APP_ROLE), autocommit=True, row_factory=dict_row) as connection:
        found = connection.execute(_STATUS).fetchone() or {}
        if topics:
            counts = connection.execute(_TOPICS, (found["head"],)).fetchall()
            found["topics"] = {row["topic"]: row["events"] for row in counts}
            found["isWhole"] = found["isWhole"] and sum(found["topics"].values()) == found["head"]
    return found


def _write(found: dict[str, Any]) -> None:
    write_table(("", ""), _lines(found))
    if "topics" in found:
        say("")
        write_table(("topic", "events"), found["topics"].items())


def _lines(found: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    yield "head", found["head"]
    yield "first event", found["firstRecordedAt"]
    yield "last event", found["lastRecordedAt"]
    for name, key in (("events", "eventBytes"), ("command keys", "commandBytes"), ("whole database", "databaseBytes")):
        yield f"{name}, MB", round(found[key] / 1_000_000, 1)
    yield "complete", found["isWhole"]
