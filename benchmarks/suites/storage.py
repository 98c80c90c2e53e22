"""`storage`: what an event takes on disk, with the log's indexes."""

import psycopg

from benchmarks import in_process
from benchmarks.figures import Figure, at_most, figure, none_of
from benchmarks.laboratory import Laboratory
from benchmarks.population import Population

_SIZES = """
SELECT (SELECT count(*) FROM log.event), pg_total_relation_size('log.event'), pg_relation_size('log.event'),
       (SELECT count(*) FROM log.command), pg_total_relation_size('log.command')
"""
_INDEXES = """
SELECT indexrelid::regclass::text, pg_relation_size(indexrelid) FROM pg_index WHERE indrelid = 'log.event'::regclass
"""


def measure(lab: Laboratory) -> Figure:
    """Of the largest log, and of one that was written by commands only; the larger of the two counts."""
    largest = lab.grown(lab.scale.sizes[-1])
    written = lab.filled("written", in_process.CALLERS)
    users = [written.population.user_id(number) for number in range(in_process.CALLERS)]
    run = in_process.run(lab.settings, written.conninfo, users, commands=lab.scale.stored_commands)
    of_largest, of_written = _sizes(largest.conninfo), _sizes(written.conninfo)
    return figure(
        "storage",
        at_most("octets per event", max(of_largest["octets_per_event"], of_written["octets_per_event"]), 350),
        none_of("errors", abs(of_written["events"] - run.events - _filled(written.population))),
        largest_log=of_largest,
        log_written_by_commands=of_written,
        acknowledged_events=run.events,
        recorded_events=of_written["events"] - _filled(written.population),
    )


def _filled(population: Population) -> int:
    return population.events


def _sizes(conninfo: str) -> dict[str, int]:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        row = connection.execute(_SIZES).fetchone()
        indexes = connection.execute(_INDEXES).fetchall()
    assert row is not None  # noqa: S101 - it is one row of counts
    events, total, table, commands, keys = row
    return {
        "events": events,
        "octets_per_event": round(total / events),
        "octets_per_event_in_the_table": round(table / events),
        **{f"octets_per_event_in_{name}": round(size / events) for name, size in indexes},
        "octets_per_idempotency_key": round(keys / commands) if commands else 0,
    }
