"""Take over a person from another system."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import msgspec

from application.unit_of_work import Saved, UnitOfWork
from application.users.emails.address_claims import claim_of
from application.users.register_user import RegisterUser, new_user
from domain import errors
from domain.users import User
from domain.users.values import parse_document_version, parse_purpose
from domain.values import parse_email_address, parse_occurred_at, parse_reason

Instant = Annotated[datetime, msgspec.Meta(tz=True)]
_AFTER_ALL = datetime.max.replace(tzinfo=UTC)


class ImportedStatus(StrEnum):
    """The status of an account when it is imported."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    DEACTIVATED = "deactivated"


class GivenConsent(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A consent that the person gave or withdrew in the other system, and when."""

    purpose: str
    document_version: str
    granted: bool
    occurred_at: Instant | None = None


class ImportPerson(RegisterUser, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The data of a registration, and the history of the account in the other system."""

    created_at: Instant | None = None
    email_verified: bool = False
    status: ImportedStatus = ImportedStatus.ACTIVE
    status_reason: str | None = None
    """Why the account is suspended; staff have to have a reason here as well."""
    status_since: Instant | None = None
    consents: tuple[GivenConsent, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        if self.status_reason is not None and self.status is not ImportedStatus.SUSPENDED:
            raise ValueError("Only a suspended account can have a statusReason")
        if self.status_since is not None and self.status is ImportedStatus.ACTIVE:
            raise ValueError("An active account cannot have a statusSince")
        if self.status_since and self.created_at and self.status_since < self.created_at:
            raise ValueError("statusSince must not be before createdAt")


async def import_person(command: ImportPerson, work: UnitOfWork) -> Saved:
    """Register a person with their life so far, without mailing them; refused if the address is in use."""
    user = _with_life_so_far(command, work.now)
    claim = await claim_of(user.email, work, likely_new=True)

    claim.claim(user.id, work.now)

    return await work.save(user, claim)


def _with_life_so_far(command: ImportPerson, now: datetime) -> User:
    created_at = _occurred_at("createdAt", command.created_at, now)
    user = new_user(command, parse_email_address(command.email), now.date(), occurred_at=created_at)
    if command.email_verified:
        user.accept_email()
    for number, consent in _in_their_order(command.consents):
        _record(user, f"consents[{number}]", consent, now)
    _stand(user, command, _occurred_at("statusSince", command.status_since, now))
    return user


def _in_their_order(consents: tuple[GivenConsent, ...]) -> list[tuple[int, GivenConsent]]:
    """The earlier ones first, each with its number in the line; those without an instant last, as they are given."""
    return sorted(enumerate(consents), key=lambda entry: entry[1].occurred_at or _AFTER_ALL)


def _record(user: User, place: str, consent: GivenConsent, now: datetime) -> None:
    with _naming(f"{place}.purpose"):
        purpose = parse_purpose(consent.purpose)
    with _naming(f"{place}.documentVersion"):
        version = parse_document_version(consent.document_version)
    occurred_at = _occurred_at(f"{place}.occurredAt", consent.occurred_at, now)
    user.record_consent(purpose, version, granted=consent.granted, occurred_at=occurred_at)


def _stand(user: User, command: ImportPerson, since: datetime | None) -> None:
    match command.status:
        case ImportedStatus.SUSPENDED:
            with _naming("statusReason"):
                reason = parse_reason(command.status_reason or "")
            user.suspend(reason, since)
        case ImportedStatus.DEACTIVATED:
            user.deactivate(since)
        case ImportedStatus.ACTIVE:
            pass


def _occurred_at(field: str, instant: datetime | None, now: datetime) -> datetime | None:
    if instant is None:
        return None
    with _naming(field):
        return parse_occurred_at(instant, now)


@contextmanager
def _naming(field: str) -> Iterator[None]:
    """Have a refusal name the field of the line that it is about."""
    try:
        yield
    except errors.RuleBroken as refusal:
        refusal.field = field
        raise
