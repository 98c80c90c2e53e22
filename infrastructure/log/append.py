"""The one way into the log: batches of commands, each recorded whole or not at all (migration 0001, `log.append`)."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec
import psycopg

from application.actors import Metadata
from application.commands import CommandKey
from domain.kernel import AggregateEvent
from infrastructure.encryption.reasons import seal_reason
from infrastructure.log.commit_keys import NO_KEYS, CommitKeys
from infrastructure.log.stored_events import SubjectKeyMissingError, stored_form
from infrastructure.postgres.binary_arrays import BinaryArray, binary_array


class Commit(msgspec.Struct, frozen=True, kw_only=True):
    """The events of one command, and the metadata recorded with them."""

    metadata: Metadata
    events: Sequence[AggregateEvent]
    result: bytes = b""
    """The answer to be given again when the key is used again."""
    key: CommandKey | None = None
    keys: CommitKeys = NO_KEYS
    """Seal what is personal, and why."""


class OutcomeKind(StrEnum):
    """What became of a commit; explained at `log.append`."""

    APPENDED = "appended"
    KNOWN = "known"
    RECORDED = "recorded"
    KEY_REUSED = "key_reused"
    CONFLICT = "conflict"


_KINDS = {kind.value: kind for kind in OutcomeKind}


class Outcome(msgspec.Struct, frozen=True):
    """What became of a commit, and where; position and instant are there if it is in the log."""

    kind: OutcomeKind
    position: int | None = None
    recorded_at: datetime | None = None
    result: bytes | None = None


# One statement, so one transaction: no event is ever without its key, and a command that loses leaves none behind. What
# can be there already is the empty row of somebody who was erased by the same command; versions keep out all others.
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
    ON CONFLICT DO NOTHING
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
    return [Outcome(_KINDS[kind], *rest) for kind, *rest in await cursor.fetchall()]


def _command_columns(commits: Sequence[Commit]) -> list[BinaryArray]:
    metadata = [commit.metadata for commit in commits]
    actors = [m.actor for m in metadata]
    keys = [commit.key for commit in commits]
    return [
        binary_array("uuid", [m.command_id for m in metadata]),
        binary_array("bytea", [key.key if key else None for key in keys]),
        binary_array("bytea", [key.fingerprint if key else None for key in keys]),
        binary_array("bytea", [commit.result for commit in commits]),
        binary_array("uuid", [m.correlation_id for m in metadata]),
        binary_array("uuid", [m.causation_id for m in metadata]),
        binary_array("bytea", [m.trace_id for m in metadata]),
        binary_array("text", [str(actor) for actor in actors]),
        binary_array("text", [actor.on_behalf_of for actor in actors]),
        binary_array("text", [actor.client for actor in actors]),
        binary_array("text", [_reason(commit) for commit in commits]),
    ]


def _reason(commit: Commit) -> str | None:
    reason, key = commit.metadata.reason, commit.keys.of_reason
    if reason is None or not commit.events:
        return None
    if key is None:
        raise SubjectKeyMissingError("reason")
    return seal_reason(key.cipher, reason, key.subject_id, commit.metadata.command_id)


def _event_columns(commits: Sequence[Commit]) -> list[BinaryArray]:
    numbered = [(number, commit, event) for number, commit in enumerate(commits, start=1) for event in commit.events]
    events = [event for *_, event in numbered]
    stored = [stored_form(event, commit.keys.keys) for _, commit, event in numbered]
    return [
        binary_array("integer", [number for number, *_ in numbered]),
        binary_array("uuid", [event.originator_id for event in events]),
        binary_array("integer", [event.originator_version for event in events]),
        binary_array("text", [topic for topic, _ in stored]),
        binary_array("bytea", [state for _, state in stored]),
    ]


def _key_columns(commits: Sequence[Commit]) -> list[BinaryArray]:
    keys = [(number, key) for number, commit in enumerate(commits, start=1) for key in commit.keys.keys]
    new = [(number, key.subject_id, *wrapped) for number, key in keys if (wrapped := key.wrapped())]
    return [
        binary_array("integer", [number for number, *_ in new]),
        binary_array("uuid", [subject_id for _, subject_id, *_ in new]),
        binary_array("bigint", [master_id for *_, master_id, _ in new]),
        binary_array("bytea", [wrapped for *_, wrapped in new]),
    ]
