"""Answers the position and health of read models, and requests rebuilds."""

import time
from collections.abc import Callable
from typing import Any, LiteralString
from uuid import UUID

from psycopg.rows import class_row, dict_row

from application.operations.queries import (
    LETTERS_LIMIT,
    LetterIsSettledError,
    LetterStatus,
    ProjectionFault,
    ProjectionStatus,
    RebuildStatus,
)
from application.read_models import READ_MODELS
from domain.ids import uuid7
from infrastructure.log.notifications import HINT
from infrastructure.projections.columns import SCHEMA
from infrastructure.projections.rebuild.rebuild_watch import IS_STALLED
from infrastructure.queries.read_model import Pool

_STATUSES: LiteralString = f"""
SELECT g.name, g.version, g.generation, g."position", h."position" AS head, g.failure,
       (SELECT greatest(0, extract(epoch FROM clock_timestamp() - e.recorded_at))::float8 FROM log.event e
        WHERE e."position" = g."position" + 1) AS behind_for,
       (SELECT count(*) FROM projection.letter l WHERE l.name = g.name AND l.generation = g.generation
        AND l.state = 'open') AS letters,
       (SELECT format('position %%s: %%s', l."position", l.error) FROM projection.letter l
        WHERE l.name = g.name AND l.generation = g.generation AND l.state = 'open'
        ORDER BY l."position" LIMIT 1) AS first_letter,
       v.verified_at, v.finding,
       CASE WHEN p.measured_at > clock_timestamp() - interval '10 seconds' THEN p.per_second ELSE 0 END
           AS events_per_second,
       (SELECT CASE WHEN r.state = 'failed' THEN
            format('the rebuild to version %%s failed: %%s', r.version, r.failure) END FROM projection.rebuild r
        WHERE r.name = g.name AND r.version > g.version AND r.requested_at > coalesce(g.switched_at, '-infinity')
        ORDER BY r.requested_at DESC LIMIT 1) AS failed_upgrade,
       (SELECT concat('the rebuild has stood still since ', date_trunc('second', r.progressed_at), ' (', r.phase, ')',
                      ', waiting for ' || r.waiting_for) FROM projection.rebuild r
        WHERE r.name = g.name AND {IS_STALLED}) AS stalled_rebuild,
       coalesce(c.reltuples, 0)::bigint AS rows, coalesce(pg_total_relation_size(c.oid), 0) AS size_bytes
FROM projection.standing g CROSS JOIN log.tip h
LEFT JOIN projection.verification v ON v.name = g.name AND v.generation = g.generation
LEFT JOIN projection.pace p ON p.name = g.name AND p.generation = g.generation
LEFT JOIN pg_class c ON c.oid = to_regclass(%(schema)s || '.' || g.name || '_' || g.generation)
WHERE g.state = 'live' ORDER BY g.name
"""  # noqa: S608 - ours
_FAULTS = {
    "failure": ProjectionFault.STOPPED,
    "first_letter": ProjectionFault.LETTER_OPEN,
    "finding": ProjectionFault.ROWS_DIFFER,
    "failed_upgrade": ProjectionFault.UPGRADE_FAILED,
    "stalled_rebuild": ProjectionFault.REBUILD_STALLED,
}
"""The faults and how to detect them, the gravest first."""
_REBUILD: LiteralString = f"""
SELECT id, name, state, phase, events_done, events_total, rows_written, generation, requested_by, requested_at,
       finished_at, failure, is_rollback,
       CASE WHEN state = 'running' AND phase = 'fill' AND events_done > 0 THEN
            (extract(epoch FROM clock_timestamp() - started_at) * (events_total - events_done) / events_done)::float8
       END AS remaining_seconds,
       CASE WHEN state = 'running' THEN waiting_for END AS waiting_for,
       CASE WHEN {IS_STALLED} THEN extract(epoch FROM clock_timestamp() - progressed_at)::float8 END AS stalled_seconds
FROM projection.rebuild
"""  # noqa: S608 - ours
# A letter of a generation that is not live any more holds nothing that anybody reads.
_IS_LIVE = """EXISTS (SELECT FROM projection.generation g
    WHERE g.name = letter.name AND g.generation = letter.generation AND g.state = 'live')"""
_LETTER = f"""id, name, generation, "position", stream_id, topic, error,
    CASE WHEN state IN ('open', 'blocking') AND NOT {_IS_LIVE} THEN 'superseded' ELSE state END AS state,
    opened_at, attempted_at, closed_at, closed_by, reason, wish"""


class ProjectionQueries:
    """The read models themselves, as ports see them."""

    def __init__(self, pool: Pool, clock: Callable[[], float] = time.monotonic) -> None:
        self._pool = pool
        self._clock = clock
        self._seen_behind: dict[str, tuple[tuple[int, int], float]] = {}
        """Where each model was when it was last seen behind, and since when it has been seen there."""

    async def statuses(self) -> list[ProjectionStatus]:
        """Each read model's standing; one that was never followed is unhealthy."""
        async with self._pool.connection() as connection:
            cursor = connection.cursor(row_factory=dict_row)
            await cursor.execute(_STATUSES, {"schema": SCHEMA})
            found = {row["name"]: row for row in await cursor.fetchall()}
        return [self._status(name, found.get(name)) for name in READ_MODELS]

    def _status(self, name: str, row: dict[str, Any] | None) -> ProjectionStatus:
        if row is None:
            return _never_followed(name)
        return _status(row, self._lag_seconds(name, row))

    def _lag_seconds(self, name: str, row: dict[str, Any]) -> float:
        """The age of the next event by the database's clock, or for how long the model has not moved, if that is more.

        Neither depends on the clock of this process. Clocks are set: if instants in the log are ahead of the database's
        clock, only the second one tells of a worker that has stopped.
        """
        behind_for: float | None = row.pop("behind_for")
        if behind_for is None:
            self._seen_behind.pop(name, None)
            return 0.0
        place: tuple[int, int] = row["generation"], row["position"]
        now = self._clock()
        seen, since = self._seen_behind.get(name, (place, now))
        if seen != place:
            since = now
        self._seen_behind[name] = place, since
        return max(behind_for, now - since)

    async def request_rebuild(self, name: str, requested_by: str) -> UUID:
        """Have a model rebuilt by a worker; joins a rebuild that is requested or running. Raises `LookupError`."""
        if name not in READ_MODELS:
            raise LookupError(name)
        async with self._pool.connection() as connection:
            await connection.execute(
                "INSERT INTO projection.rebuild (id, name, requested_by) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
                (uuid7(), name, requested_by),
            )
            await connection.execute(HINT)
            cursor = await connection.execute(
                "SELECT id FROM projection.rebuild WHERE name = %s ORDER BY requested_at DESC LIMIT 1", (name,)
            )
            row = await cursor.fetchone()
        if row is None:
            raise LookupError(name)
        request: UUID = row[0]
        return request

    async def rebuild(self, rebuild_id: UUID) -> RebuildStatus | None:
        """How a rebuild goes."""
        async with self._pool.connection() as connection:
            cursor = connection.cursor(row_factory=class_row(RebuildStatus))
            await cursor.execute(f"{_REBUILD} WHERE id = %s", (rebuild_id,))
            return await cursor.fetchone()

    async def letters(self, name: str | None = None) -> list[LetterStatus]:
        """The letters of one model or of all: open ones first, then the newest. Raises `LookupError`."""
        if name is not None and name not in READ_MODELS:
            raise LookupError(name)
        async with self._pool.connection() as connection:
            cursor = connection.cursor(row_factory=class_row(LetterStatus))
            await cursor.execute(
                f"SELECT {_LETTER} FROM projection.letter WHERE name = coalesce(%s, name) "  # noqa: S608
                "ORDER BY letter.state NOT IN ('open', 'blocking'), opened_at DESC LIMIT %s",
                (name, LETTERS_LIMIT),
            )
            return await cursor.fetchall()

    async def letter(self, name: str, letter_id: UUID) -> LetterStatus:
        """One letter of a model. Raises `LookupError`."""
        async with self._pool.connection() as connection:
            cursor = connection.cursor(row_factory=class_row(LetterStatus))
            await cursor.execute(
                f"SELECT {_LETTER} FROM projection.letter WHERE id = %s AND name = %s",  # noqa: S608
                (letter_id, name),
            )
            letter = await cursor.fetchone()
        if letter is None:
            raise LookupError(letter_id)
        return letter

    async def ask_to_settle(self, name: str, letter_id: UUID, by: str, reason: str | None) -> LetterStatus:
        """Have a worker retry a letter, or, with a reason, leave its event out for good."""
        wish = "retry" if reason is None else "resolve"
        async with self._pool.connection() as connection:
            cursor = connection.cursor(row_factory=class_row(LetterStatus))
            await cursor.execute(
                "UPDATE projection.letter SET wish = %(wish)s, wished_by = %(by)s, wish_reason = %(reason)s "  # noqa: S608
                "WHERE id = %(id)s AND name = %(name)s AND "
                f"(state IN ('open', 'blocking') AND {_IS_LIVE} OR state = 'resolved' AND %(wish)s = 'retry') "
                f"RETURNING {_LETTER}",
                {"wish": wish, "by": by, "reason": reason, "id": letter_id, "name": name},
            )
            asked = await cursor.fetchone()
            await connection.execute(HINT)
        if asked is not None:
            return asked
        await self.letter(name, letter_id)
        raise LetterIsSettledError


def _never_followed(name: str) -> ProjectionStatus:
    return ProjectionStatus(
        name=name,
        version=READ_MODELS[name].version,
        generation=0,
        position=0,
        head=0,
        lag_events=0,
        lag_seconds=0.0,
        events_per_second=0.0,
        healthy=False,
        failure="never followed",
        fault=ProjectionFault.NEVER_FOLLOWED,
        letters=0,
        verified_at=None,
        rows=0,
        size_bytes=0,
    )


def _status(row: dict[str, Any], lag_seconds: float) -> ProjectionStatus:
    reasons = [(fault, row.pop(name)) for name, fault in _FAULTS.items()]
    fault, failure = next((reason for reason in reasons if reason[1]), (None, None))
    return ProjectionStatus(
        **row,
        lag_events=row["head"] - row["position"],
        lag_seconds=lag_seconds,
        failure=failure,
        fault=fault,
        healthy=failure is None,
    )
