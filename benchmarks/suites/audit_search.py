"""`audit_search`: a page of the audit search, by each filter and each pair of filters, in a long log."""

import random
import time
from collections.abc import Mapping
from itertools import combinations
from typing import Any

import psycopg
import uvloop

from application.history.queries import AuditFilter, Timeline
from application.history.timeline import USER_TIMELINE
from application.ports import Service
from application.queries import PageRequest
from benchmarks.busy_log import FACTS_OF_USER, fill_busily
from benchmarks.figures import Figure, below, figure
from benchmarks.laboratory import Laboratory
from benchmarks.latencies import Latencies, latencies
from benchmarks.rebuild_process import rebuild
from infrastructure.composition import open_service

FILTERS = ("actor", "user_id", "topic", "times", "command_id", "correlation_id")
KINDS = (*((name,) for name in FILTERS), *combinations(FILTERS, 2))
QUESTIONS = 200
"""Of each kind, each a page: the first one, or the one that its cursor leads to."""
PAGE_SIZE = 50
SPAN = 0.01
"""How much of the log a range of times holds."""
_FACTS = """
SELECT actor, stream_id, topic, recorded_at, command_id, correlation_id FROM log.event WHERE "position" = ANY (%s)
"""


def measure(lab: Laboratory) -> Figure:
    """One process, one question at a time; the slowest kind counts."""
    conninfo = lab.fresh_database("busy")
    events = fill_busily(conninfo, lab.scale.sizes[-1])
    rebuilt = rebuild(conninfo, USER_TIMELINE.name, lab.settings.home)
    by_kind = uvloop.run(_ask(lab, conninfo, events))
    slowest = max(by_kind, key=lambda kind: by_kind[kind].p99)
    return figure(
        "audit_search",
        below(f"p99 at {events:,} events, by {slowest}", by_kind[slowest].p99, 50, "ms"),
        milliseconds=by_kind,
        rebuild_seconds=round(rebuilt.seconds, 1),
        megabytes_of_the_timeline=_megabytes(conninfo),
        events_of_user=FACTS_OF_USER,
    )


async def _ask(lab: Laboratory, conninfo: str, events: int) -> dict[str, Latencies]:
    facts = _some_facts(conninfo, events)
    async with open_service(lab.settings, conninfo) as service:
        return {" and ".join(kind): await _answer(service, kind, facts) for kind in KINDS}


async def _answer(service: Service, kind: tuple[str, ...], facts: list[Mapping[str, Any]]) -> Latencies:
    seconds: list[float] = []
    for _ in range(QUESTIONS):
        # Filters of two different facts: often nothing fulfils both, and that is what takes longest to find out.
        wanted = AuditFilter(**{k: v for name in kind for k, v in _filter(name, random.choice(facts)).items()})
        cursor = None
        for _ in range(2):
            begin = time.perf_counter()
            page = await service.using(Timeline).search(wanted, PageRequest(limit=PAGE_SIZE, cursor=cursor))
            seconds.append(time.perf_counter() - begin)
            cursor = page.next_cursor
            if cursor is None:
                break
    return latencies(seconds)


def _filter(name: str, fact: Mapping[str, Any]) -> Mapping[str, Any]:
    if name == "times":
        return {"recorded_from": fact["recorded_at"], "recorded_to": fact["recorded_at"] + fact["span"]}
    return {name: fact[name]}


def _some_facts(conninfo: str, events: int) -> list[Mapping[str, Any]]:
    positions = random.sample(range(1, events + 1), min(events, 20_000))
    with psycopg.connect(conninfo) as connection:
        row = connection.execute("SELECT (max(recorded_at) - min(recorded_at)) * %s FROM log.event", (SPAN,)).fetchone()
        span = row[0] if row else None
        names = ("actor", "user_id", "topic", "recorded_at", "command_id", "correlation_id")
        rows = connection.execute(_FACTS, (positions,)).fetchall()
    return [dict(zip(names, values, strict=True), span=span) for values in rows if values[-1] is not None]


def _megabytes(conninfo: str) -> dict[str, int]:
    """Of the table and of each index."""
    with psycopg.connect(conninfo) as connection:
        rows = connection.execute(
            "SELECT relname, pg_relation_size(oid) / 1000000 FROM pg_class "
            "WHERE relname LIKE 'user_timeline%' AND relkind IN ('r', 'i') ORDER BY relname"
        ).fetchall()
    return dict(rows)
