"""Calls `log.append` as it is, without anything of ours between."""

import uuid
from typing import Any

import psycopg

APPEND = """
SELECT outcome, "position", recorded_at, result FROM log.append(
    %s::uuid[], %s::bytea[], %s::bytea[], %s::bytea[], %s::uuid[], %s::uuid[], %s::bytea[], %s::text[], %s::text[],
    %s::text[], %s::text[], %s::integer[], %s::uuid[], %s::integer[], %s::text[], %s::bytea[])
"""
Event = tuple[uuid.UUID, int]


class Command:
    """What one command wants to record."""

    def __init__(self, *events: Event, key: bytes | None = None, fingerprint: bytes = b"f") -> None:
        self.id = uuid.uuid4()
        self.events = events
        self.key = key
        self.fingerprint = fingerprint


def append(connection: psycopg.Connection[Any], *commands: Command) -> list[tuple[str, int | None]]:
    nothing = [None] * len(commands)
    events = [(number, *event) for number, command in enumerate(commands, 1) for event in command.events]
    rows = connection.execute(
        APPEND,
        [
            [c.id for c in commands],
            [c.key for c in commands],
            [c.fingerprint for c in commands],
            [b"answer" for _ in commands],
            *[nothing] * 3,
            ["service:web" for _ in commands],
            *[nothing] * 3,
            [e[0] for e in events],
            [e[1] for e in events],
            [e[2] for e in events],
            ["topic" for _ in events],
            [b"{}" for _ in events],
        ],
    ).fetchall()
    return [(outcome, position) for outcome, position, _, _ in rows]
