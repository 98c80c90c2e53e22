"""The directory: one row for each person, for searching and listing."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace

from application.projections.definition import UNTIL_ERASED, Holds, Index, Projection, WordIndex, WordsIndex
from application.recorded import Recorded
from domain.free_text import search_key
from domain.kernel import event_types
from domain.users import User
from domain.users.search_words import words_of_key
from domain.users.values import UserStatus
from domain.values import email_key

WORDS = ("word_1", "word_2", "word_3", "more_words")
"""The columns with the words that a name is found by (docs/decisions/0034-names-by-word.md)."""


class UserEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What the directory tells of a person."""

    user_id: UUID
    version: int
    email: str
    email_key: str
    email_verified: bool = False
    display_name: str
    name_key: str
    """Read by the release before only."""
    country: str
    locale: str | None = None
    external_id: str | None = None
    status: str = UserStatus.ACTIVE
    suspended: bool = False
    deactivated: bool = False
    deletion_requested: bool = False
    created_at: datetime
    updated_at: datetime
    word_1: str = ""
    word_2: str = ""
    word_3: str = ""
    """The first of the words that the name is found by."""
    more_words: str = ""
    """The others, with a space between them."""


def user_entry(entry: UserEntry | None, recorded: Recorded[Any]) -> UserEntry | None:
    """The person's row after one more fact of their life."""
    # This runs for every fact there is, and comparing classes takes a fraction of what `isinstance` does.
    event = recorded.event
    kind = type(event)
    if kind is User.Registered:
        return _registered(event, recorded.recorded_at)
    if entry is None or kind is User.Erased:
        return None
    if (said := _SAID.get(kind)) is None:
        return replace(entry, version=event.originator_version, updated_at=recorded.recorded_at)
    return replace(entry, version=event.originator_version, updated_at=recorded.recorded_at, **said(entry, event))


def name_key(name: str) -> str:
    """The form in which the release before searches names."""
    return search_key(name)


_NO_WORDS = ["", "", ""]


def name_columns(name: str) -> dict[str, Any]:
    """What the row says of a name."""
    key = name_key(name)
    words = words_of_key(key)
    first, second, third = (words + _NO_WORDS)[:3]
    return {
        "display_name": name,
        "name_key": key,
        "word_1": first,
        "word_2": second,
        "word_3": third,
        "more_words": " ".join(words[3:]),
    }


def _registered(event: Any, recorded_at: datetime) -> UserEntry:
    return UserEntry(
        user_id=event.originator_id,
        version=event.originator_version,
        email=event.email,
        email_key=email_key(event.email),
        **name_columns(event.display_name),
        country=event.country,
        locale=event.locale,
        external_id=event.external_id,
        created_at=event.occurred_at or recorded_at,
        updated_at=recorded_at,
    )


def _standing(**flag: bool) -> Callable[[UserEntry, Any], dict[str, Any]]:
    """A change of how the account stands."""

    def change(entry: UserEntry, _: Any) -> dict[str, Any]:
        flags = {name: getattr(entry, name) for name in _STANDING} | flag
        return {"status": _status(**flags), **flag}

    return change


_STANDING = ("deletion_requested", "suspended", "deactivated")
_SAID: dict[type, Callable[[UserEntry, Any], dict[str, Any]]] = {
    User.EmailVerified: lambda *_: {"email_verified": True},
    User.EmailChanged: lambda _, e: {"email": e.email, "email_key": email_key(e.email), "email_verified": True},
    User.DisplayNameChanged: lambda _, e: name_columns(e.display_name),
    User.CountryChanged: lambda _, e: {"country": e.country},
    User.LocaleChanged: lambda _, e: {"locale": e.locale},
    User.Suspended: _standing(suspended=True),
    User.Reinstated: _standing(suspended=False),
    User.Deactivated: _standing(deactivated=True),
    User.Reactivated: _standing(deactivated=False),
    User.DeletionRequested: _standing(deletion_requested=True),
    User.DeletionWithdrawn: _standing(deletion_requested=False),
}
"""What a fact changes of what the row says about the person. All others only make the row newer."""


def _status(*, deletion_requested: bool, suspended: bool, deactivated: bool) -> UserStatus:
    if deletion_requested:
        return UserStatus.DELETION_REQUESTED
    if suspended:
        return UserStatus.SUSPENDED
    return UserStatus.DEACTIVATED if deactivated else UserStatus.ACTIVE


USER_DIRECTORY = Projection(
    name="user_directory",
    version=7,
    changes=("created_at",),  # Imported people are as old as they were where they came from.
    events=event_types(User),
    reads_personal=(User.Registered, User.EmailChanged, User.DisplayNameChanged),
    row=UserEntry,
    holds=Holds(
        purpose="finding and listing accounts",
        kept=UNTIL_ERASED,
        readable=("email", "email_key", "display_name", "name_key", *WORDS, "external_id"),
    ),
    fold=user_entry,
    indexes=(
        Index("email", ("email_key", "user_id")),
        Index("external", ("external_id",)),
        WordIndex("word_1", ("word_1", "user_id")),
        WordIndex("word_2", ("word_2", "user_id")),
        WordIndex("word_3", ("word_3", "user_id")),
        WordsIndex("more_words", ("more_words",)),
        Index("country", ("country", "user_id")),
        Index("status", ("status", "user_id")),
        Index("created", ("created_at", "user_id")),
    ),
)
