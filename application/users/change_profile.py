"""Change a user's profile."""

from datetime import date
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from application.unit_of_work import Saved, UnitOfWork
from domain.users import User
from domain.users.values import parse_birth_date, parse_display_name
from domain.values import parse_country, parse_locale_tag


class ProfilePatch(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A JSON merge patch (RFC 7396): what is left out stays, null takes away where that is allowed."""

    display_name: str | UnsetType = UNSET
    country: str | UnsetType = UNSET
    locale: str | UnsetType | None = UNSET
    birth_date: date | UnsetType | None = UNSET
    explicit_content_filter: bool | UnsetType = UNSET


class ChangeProfile(msgspec.Struct, frozen=True, kw_only=True):
    """The user and what changes about them."""

    user_id: UUID
    patch: ProfilePatch


async def change_profile(command: ChangeProfile, work: UnitOfWork) -> Saved:
    """Record an event for each field that really changes. Refused if the account is closed."""
    user = await work.target(User, command.user_id)

    user.must_be_open()
    _apply(command.patch, user, work.now.date())

    return await work.save(user)


def _apply(patch: ProfilePatch, user: User, today: date) -> None:
    if patch.display_name is not UNSET:
        user.change_display_name(parse_display_name(patch.display_name))
    if patch.country is not UNSET:
        user.change_country(parse_country(patch.country))
    if patch.locale is not UNSET:
        user.change_locale(None if patch.locale is None else parse_locale_tag(patch.locale))
    if patch.birth_date is not UNSET:
        user.change_birth_date(None if patch.birth_date is None else parse_birth_date(patch.birth_date, today))
    if patch.explicit_content_filter is not UNSET:
        user.change_explicit_content_filter(explicit_content_filter=patch.explicit_content_filter)
