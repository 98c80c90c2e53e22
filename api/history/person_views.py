"""The history of an account as its owner sees it: over HTTP, and in the package of their data.

It shows what was done, when, in which role and why, but not by which member of staff, through which program, on whose
behalf or in which command. These types have no fields for that, so no answer can contain it
(docs/decisions/0023-what-people-see.md).
"""

from typing import Any
from uuid import UUID

from api.history.diff_views import UserPointView, user_point
from api.http.views import Instant, View
from application.actors import IMPORTER
from application.history.queries import TimelineItem
from application.history.timeline import topic_for_people
from application.users.diff import FieldChange, UserDiff

ITSELF = "you"
"""In place of a role: the person themselves."""
IMPORT = "import"
"""In place of a role: imported from another system."""
_IMPORT = str(IMPORTER)


class PersonFactView(View, frozen=True):
    """An event of the account, as the person sees it."""

    position: int
    recorded_at: Instant
    topic: str | None
    """Null if it is not known."""
    version: int | None
    """The version of the account after the event; null for events that do not change it, such as exports."""
    by: str | None
    """In which role: `you`, `support`, `admin`, `service`, `system`, or `import` for imported events."""
    reason: str | None
    """The stated reason."""
    unreadable: bool
    """Whether its content cannot be read."""
    data: dict[str, Any]
    """Empty if it cannot be read."""


class PersonChangeView(View, frozen=True):
    """A changed field, and the last event that changed it, as the person sees them."""

    field: str
    old: Any
    new: Any
    topic: str
    version: int
    position: int
    recorded_at: Instant
    by: str | None
    """In which role, never by whom."""
    reason: str | None


class PersonDiffView(View, frozen=True):
    """What changed about a user between two moments, the second included, as the person sees it."""

    old: UserPointView
    new: UserPointView
    changes: list[PersonChangeView]


def person_fact(item: TimelineItem) -> PersonFactView:
    """An event as the person sees it."""
    entry = item.entry
    return PersonFactView(
        position=entry.position,
        recorded_at=entry.recorded_at,
        topic=topic_for_people(entry),
        # How often an address was given out tells of those who had it before.
        version=entry.version if entry.stream_id == entry.user_id else None,
        by=role_of(entry.actor, entry.user_id),
        reason=entry.reason,
        unreadable=item.data is None,
        data=item.data or {},
    )


def person_diff(diff: UserDiff) -> PersonDiffView:
    """What changed about a user."""
    return PersonDiffView(
        old=user_point(diff.old), new=user_point(diff.new), changes=[_change(change) for change in diff.changes]
    )


def _change(change: FieldChange) -> PersonChangeView:
    fact = change.fact
    return PersonChangeView(
        field=change.field,
        old=change.old,
        new=change.new,
        topic=fact.topic,
        version=fact.event.originator_version,
        position=fact.position,
        recorded_at=fact.recorded_at,
        by=role_of(fact.actor, fact.event.originator_id),
        reason=change.reason,
    )


def role_of(actor: str | None, user_id: UUID) -> str | None:
    """How a person sees an actor (`support:carol`): as a role, or as themselves."""
    if actor is None:
        return None
    if actor == _IMPORT:
        return IMPORT
    role, _, who = actor.partition(":")
    return ITSELF if role == "user" and who == str(user_id) else role
