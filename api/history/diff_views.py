"""What changed about a user, as the API returns it."""

from typing import Any
from uuid import UUID

from api.http.views import Instant, View
from application.users.diff import FieldChange, UserDiff, UserPoint


class UserPointView(View, frozen=True):
    """A moment in the life of a user; version 0 is before the registration."""

    version: int
    position: int | None
    recorded_at: Instant | None


class FieldChangeView(View, frozen=True):
    """A changed field, and the last event that changed it: what, when, by whom, why."""

    field: str
    old: Any
    new: Any
    topic: str
    version: int
    position: int
    recorded_at: Instant
    actor: str | None
    on_behalf_of: str | None
    client: str | None
    reason: str | None
    command_id: UUID | None


class UserDiffView(View, frozen=True):
    """What changed about a user between two moments, the second one included."""

    old: UserPointView
    new: UserPointView
    changes: list[FieldChangeView]


def user_diff_view(diff: UserDiff) -> UserDiffView:
    """What changed about a user."""
    return UserDiffView(
        old=user_point(diff.old), new=user_point(diff.new), changes=[_change(change) for change in diff.changes]
    )


def user_point(point: UserPoint) -> UserPointView:
    """A moment in the life of a user."""
    return UserPointView(version=point.version, position=point.position, recorded_at=point.recorded_at)


def _change(change: FieldChange) -> FieldChangeView:
    fact = change.fact
    return FieldChangeView(
        field=change.field,
        old=change.old,
        new=change.new,
        topic=fact.topic,
        version=fact.event.originator_version,
        position=fact.position,
        recorded_at=fact.recorded_at,
        actor=fact.actor,
        on_behalf_of=fact.on_behalf_of,
        client=fact.client,
        reason=change.reason,
        command_id=fact.command_id,
    )
