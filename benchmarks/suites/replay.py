"""`replay`: every event of the log as a typed object, against nothing but fetching the same columns."""

import time
from collections.abc import Callable
from statistics import median

import psycopg

from benchmarks.figures import Figure, at_least, figure
from benchmarks.laboratory import Laboratory
from benchmarks.rounds import in_turn, ratio
from infrastructure.garbage_collection import collection_paused
from infrastructure.log.event_codec import FORMS
from infrastructure.log.reader import Connection, Wanted, read_pieces
from infrastructure.postgres.connections import as_projector

AT_ONCE = 2_500
"""Rows that are fetched at a time without anything else: more, and fewer, are slower."""
_COLUMNS = """
SELECT topic, state, stream_id, version, recorded_at, "position",
       actor, on_behalf_of, client, reason, command_id, correlation_id, causation_id, trace_id
FROM log.event WHERE "position" > %s AND "position" <= %s ORDER BY "position"
"""


def measure(lab: Laboratory) -> Figure:
    """One process, one connection, the largest log."""
    town = lab.grown(lab.scale.sizes[-1])
    upto = min(town.population.events, lab.scale.replayed_events)
    with psycopg.connect(as_projector(town.conninfo), autocommit=True) as connection:
        fetched(connection, upto)
        rates = in_turn(
            {
                "replay": lambda: _per_second(replayed, connection, upto),
                "opened": lambda: _per_second(opened, connection, upto),
                "fetch": lambda: _per_second(fetched, connection, upto),
            },
            lab.scale.rounds,
        )
    compared = ratio(rates["replay"], rates["fetch"])
    typed, opened_rate = (median(rates[name]) for name in ("replay", "opened"))
    return figure(
        "replay",
        at_least("replay ÷ raw fetch", compared.median, 0.60),
        at_least("typed events", round(typed), 250_000, "1/s"),
        at_least("typed events, every field opened", round(opened_rate), 150_000, "1/s"),
        rounds=compared,
        events=upto,
        replayed_per_second=[round(rate) for rate in rates["replay"]],
        opened_per_second=[round(rate) for rate in rates["opened"]],
        fetched_per_second=[round(rate) for rate in rates["fetch"]],
    )


def replayed(connection: Connection, upto: int) -> int:
    """Read events of all topics, with all that is recorded about them but what is personal; returns how many."""
    wanted = Wanted(topics=list(FORMS), personal=frozenset())
    return sum(len(facts) for _, facts in read_pieces(connection, 0, upto, wanted))


def opened(connection: Connection, upto: int) -> int:
    """The same with every personal field opened."""
    return sum(len(facts) for _, facts in read_pieces(connection, 0, upto, Wanted(topics=list(FORMS))))


def fetched(connection: Connection, upto: int) -> int:
    """Fetch the same columns in the driver's binary form, and make nothing of them; returns how many rows."""
    rows = 0
    for after in range(0, upto, AT_ONCE):
        cursor = connection.cursor(binary=True)
        cursor.execute(_COLUMNS, (after, min(after + AT_ONCE, upto)), prepare=True)
        with collection_paused():
            rows += len(cursor.fetchall())
    return rows


def _per_second(read: Callable[[Connection, int], int], connection: Connection, upto: int) -> float:
    begin = time.perf_counter()
    count = read(connection, upto)
    if count != upto:
        raise EventsMissingError(f"{count} of {upto} events were read.")
    return count / (time.perf_counter() - begin)


class EventsMissingError(Exception):
    """Fewer events were read than there are."""
