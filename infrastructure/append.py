"""The one way into the log: batches of commands, each recorded whole or not at all (migration 0001, `log.append`)."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec
import psycopg

from application.actors import Metadata
from application.commands import CommandKey
from domain.kernel import AggregateEvent
from infrastructure.privacy.reasons import seal_reason
from infrastructure.privacy.stored_events import SubjectKeyMissingError, stored_form
from infrastructure.privacy.subject_keys import SubjectKey


class Commit(msgspec.Struct, frozen=True, kw_only=True):
    """The events of one command, and what goes on record with them."""

    metadata: Metadata
    events: Sequence[AggregateEvent]
    result: bytes = b""
    """The answer to be given again when the key is used again."""
    key: CommandKey | None = None
    subject_key: SubjectKey | None = None
    """Whose fields, and why, are sealed; a key that is not stored yet is stored with the events."""


class OutcomeKind(StrEnum):
    """What became of a commit; explained at `log.append`."""

    APPENDED = "appended"
    KNOWN = "known"
    RECORDED = "recorded"
    KEY_REUSED = "key_reused"
    CONFLICT = "conflict"


class Outcome(msgspec.Struct, frozen=True):
    """What became of a commit, and where; position and instant are there if it is in the log."""

    kind: OutcomeKind
    position: int | None = None
    recorded_at: datetime | None = None
    result: bytes | None = None


# One statement, so one transaction: no event is ever without its key, and a command that loses leaves none behind.
_APPEND = """
WITH appended AS MATERIALIZED (SELECT * FROM log.append(
    %s::uuid[], %s::bytea[], %s::bytea[], %s::bytea[], %s::uuid[], %s::uuid[], %s::bytea[],
    %s::text[], %s::text[], %s::text[], %s::text[],
    %s::integer[], %s::uuid[], %s::integer[], %s::text[], %s::bytea[])
), keyed AS (
    INSERT INTO keys.subject_key (subject_id, master_id, wrapped)
    SELECT k.subject_id, k.master_id, k.wrapped
    FROM unnest(%s::integer[], %s::uuid[], %s::bigint[], %s::bytea[]) AS k (command, subject_id, master_id, wrapped)
    JOIN appended a ON a.command = k.command AND a.outcome = 'appended'
)
SELECT outcome, "position", recorded_at, result FROM appended ORDER BY command
"""


async def append(connection: psycopg.AsyncConnection[Any], commits: Sequence[Commit]) -> list[Outcome]:
    """Append in one round trip, durable when it returns; one outcome for each commit, in their order.

    The connection is in autocommit mode, so that the head's lock never waits for the network.
    """
    cursor = connection.cursor(binary=True)
    parameters = [*_command_columns(commits), *_event_columns(commits), *_key_columns(commits)]
    await cursor.execute(_APPEND, parameters, prepare=True)
    return [Outcome(OutcomeKind(kind), *rest) for kind, *rest in await cursor.fetchall()]


def _command_columns(commits: Sequence[Commit]) -> list[list[Any]]:
    metadata = [commit.metadata for commit in commits]
    return [
        [m.command_id for m in metadata],
        [commit.key.key if commit.key else None for commit in commits],
        [commit.key.fingerprint if commit.key else None for commit in commits],
        [commit.result for commit in commits],
        [m.correlation_id for m in metadata],
        [m.causation_id for m in metadata],
        [m.trace_id for m in metadata],
        [str(m.actor) for m in metadata],
        [m.actor.on_behalf_of for m in metadata],
        [m.actor.client for m in metadata],
        [_reason(commit) for commit in commits],
    ]


def _reason(commit: Commit) -> str | None:
    reason, key = commit.metadata.reason, commit.subject_key
    if reason is None or not commit.events:
        return None
    if key is None:
        raise SubjectKeyMissingError("reason")
    return seal_reason(key.cipher, reason, key.subject_id, commit.metadata.command_id)


def _key_columns(commits: Sequence[Commit]) -> list[list[Any]]:
    rows: list[tuple[int, UUID, int, bytes]] = []
    for number, commit in enumerate(commits, start=1):
        wrapped = commit.subject_key.wrapped() if commit.subject_key else None
        if commit.subject_key and wrapped:
            rows.append((number, commit.subject_key.subject_id, *wrapped))
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[], [], [], []]


def _event_columns(commits: Sequence[Commit]) -> list[list[Any]]:
    numbers: list[int] = []
    stream_ids: list[UUID] = []
    versions: list[int] = []
    topics: list[str] = []
    states: list[bytes] = []
    for number, commit in enumerate(commits, start=1):
        for event in commit.events:
            topic, state = stored_form(event, commit.subject_key)
            numbers.append(number)
            stream_ids.append(event.originator_id)
            versions.append(event.originator_version)
            topics.append(topic)
            states.append(state)
    return [numbers, stream_ids, versions, topics, states]
