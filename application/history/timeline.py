"""The timeline: what was done to each person's account, when, by whom and why; for searching over all accounts."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from application.projections.definition import LIKE_THE_LOG, Holds, Index, MembersIndex, Projection, position
from application.recorded import Recorded
from domain.aggregates import AGGREGATES
from domain.kernel import event_types, people_of
from domain.users.email_claim import EmailClaim


class TimelineRow(msgspec.Struct, frozen=True, kw_only=True):
    """One fact about one account, without what it says and why: that stays in the log, sealed where it is personal."""

    position: int
    user_id: UUID
    """The person it is about; the first of several."""
    stream_id: UUID
    version: int
    topic: str
    recorded_at: datetime
    actor: str | None
    on_behalf_of: str | None
    client: str | None
    command_id: UUID | None
    correlation_id: UUID | None
    others: list[UUID] | None = None
    """Further people it is about, if there are any."""


class TimelineEntry(TimelineRow, frozen=True, kw_only=True):
    """The same with what only the log has: why."""

    reason: str | None = None


def timeline_row(_: TimelineRow | None, recorded: Recorded[Any]) -> TimelineRow:
    """The row of one fact, which belongs to the timelines of all people that it is about, whatever its stream.

    Of a fact that cannot be read it is not known whom it is about, unless that is whose stream it is in.
    """
    event = recorded.event
    user_id, *others = people_of(event)
    return TimelineRow(
        position=recorded.position,
        user_id=user_id,
        stream_id=event.originator_id,
        version=event.originator_version,
        topic=recorded.topic,
        recorded_at=recorded.recorded_at,
        actor=recorded.actor,
        on_behalf_of=recorded.on_behalf_of,
        client=recorded.client,
        command_id=recorded.command_id,
        correlation_id=recorded.correlation_id,
        others=others or None,
    )


def is_shown_to_people(entry: TimelineRow) -> bool:
    """Whether people see a fact about their account themselves.

    Not what became of addresses: it would tell them whether somebody else has one that they asked for. What they asked
    for, and what came of it for their account, the account's own facts say.
    """
    return entry.topic not in _OF_ADDRESSES


def topic_for_people(entry: TimelineRow) -> str | None:
    """The topic, if it is one that people can know; others are names of what this release does not know itself."""
    return entry.topic if entry.topic in _KNOWN else None


_OF_ADDRESSES = frozenset(event.TOPIC for event in event_types(EmailClaim))  # type: ignore[attr-defined] # ours have one

USER_TIMELINE = Projection(
    name="user_timeline",
    version=6,
    events=tuple(event for kind in AGGREGATES if kind.IN_TIMELINE for event in event_types(kind)),
    row=TimelineRow,
    holds=Holds(purpose="telling what was done to an account, when and by whom", kept=LIKE_THE_LOG),
    fold=timeline_row,
    key=position,
    reads_metadata=True,
    reads_personal=(),
    lists_unreadable=True,
    changes=("presence",),
    indexes=(
        Index("user", ("user_id", "position")),
        Index("actor", ("actor", "topic", "position")),
        Index("topic", ("topic", "position")),
        Index("command", ("command_id",)),
        Index("correlation", ("correlation_id", "position")),
        MembersIndex("others", ("others",)),
    ),
)

_KNOWN = frozenset(USER_TIMELINE.topics)
