"""Events that a read model cannot fold."""

import uuid
from collections.abc import Callable
from typing import Any

import psycopg
from msgspec.structs import replace

from application.projections.definition import Projection
from application.recorded import Recorded
from infrastructure.log.reader import Connection
from infrastructure.projections.follow.held_streams import follow_past_poison
from infrastructure.projections.generations import ensure_live
from tests.support.running import projector

Condition = Callable[[Recorded[Any]], bool]


def failing_when(model: Projection[Any], is_poison: Condition) -> Projection[Any]:
    def fold(row: Any, recorded: Recorded[Any]) -> Any:
        if is_poison(recorded):
            raise KeyError("nothing of this may be kept")
        return model.fold(row, recorded)

    return replace(model, fold=fold)


def at(*positions: int) -> Condition:
    return lambda recorded: recorded.position in positions


def follow_all(connection: Connection, model: Projection[Any], limit: int = 1000) -> None:
    live = ensure_live(connection, model)
    progress = None
    while progress is None or not progress.is_at_head:
        progress = follow_past_poison(connection, model, live.generation, limit)


def letters_in(connection: Connection) -> list[dict[str, Any]]:
    cursor = connection.cursor(row_factory=psycopg.rows.dict_row)
    return cursor.execute('SELECT * FROM projection.letter ORDER BY "position", opened_at').fetchall()


def position_of(conninfo: str, topic: str) -> int:
    """Of a fact that is not the first of its stream, and not the last."""
    with projector(conninfo) as connection:
        row = connection.execute(
            'SELECT "position" FROM log.event e WHERE topic = %s AND EXISTS (SELECT FROM log.event later '
            'WHERE later.stream_id = e.stream_id AND later.version > e.version) ORDER BY "position" LIMIT 1',
            (topic,),
        ).fetchone()
    assert row is not None
    return int(row[0])


def position_for(conninfo: str, model: Projection[Any]) -> int:
    """Of a fact that a model reads; in the middle of its stream, where streams are that long."""
    if "user.country_changed" in model.topics:
        return position_of(conninfo, "user.country_changed")
    with projector(conninfo) as connection:
        row = connection.execute(
            'SELECT "position" FROM log.event WHERE topic = ANY (%s) ORDER BY "position" OFFSET 5 LIMIT 1',
            (model.topics,),
        ).fetchone()
    assert row is not None
    return int(row[0])


def stream_at(conninfo: str, position: int) -> uuid.UUID:
    with projector(conninfo) as connection:
        row = connection.execute('SELECT stream_id FROM log.event WHERE "position" = %s', (position,)).fetchone()
    assert row is not None
    stream: uuid.UUID = row[0]
    return stream


def append_poison(conninfo: str) -> None:
    """Something that no program of ours would have written."""
    with psycopg.connect(conninfo, autocommit=True) as owner:
        owner.execute(
            "SELECT log.append(ARRAY[gen_random_uuid()], ARRAY[NULL]::bytea[], ARRAY[NULL]::bytea[], ARRAY[''::bytea], "
            "ARRAY[NULL]::uuid[], ARRAY[NULL]::uuid[], ARRAY[NULL]::bytea[], ARRAY[NULL]::text[], ARRAY[NULL]::text[], "
            "ARRAY[NULL]::text[], ARRAY[NULL]::text[], ARRAY[1], ARRAY[gen_random_uuid()], ARRAY[1], "
            "ARRAY['user.registered'], ARRAY['{\"secret\": 1}'::bytea])"
        )
