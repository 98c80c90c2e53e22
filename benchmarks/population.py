"""A made-up population: so many users, each with a history of ten facts, as a service that has run for a year has them.

Everything about the n-th user follows from n, so that a population of a million needs no memory. Positions are dense:
first all registrations, each with the claim of its address, then one wave of changes after the other. Each wave visits
all users, in an order that has nothing to do with that of their ids: a user's facts lie far apart in the log, and the
index over streams grows in the middle, as in a log that has been lived with.
"""

import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from math import gcd
from uuid import UUID

import msgspec
from msgspec.structs import replace

from application.actors import Actor, Role
from domain.ids import uuid7
from domain.kernel import AggregateEvent
from domain.users import User
from domain.users.email_claim import EmailClaim
from domain.users.values import BirthDate, DisplayName, DocumentVersion, Purpose
from domain.values import Country, EmailAddress, Locale
from infrastructure.log.event_codec import encode
from infrastructure.users.claims.claim_ids import ClaimIds

FACTS_OF_REGISTRATION = 2
LENGTH = timedelta(days=365)
ACTOR = Actor(role=Role.SERVICE, id="web", client="web-player")
COUNTRIES = ("SE", "NO", "DK", "FI", "DE", "FR", "GB", "US", "BR", "IN", "JP", "MX", "ES", "IT", "NL", "PL", "TR", "ID")
_LOCALES = ("sv-SE", "nb-NO", "da-DK", "fi-FI", "de-DE", "fr-FR", "en-GB", "en-US", "pt-BR", "hi-IN", "ja-JP", "es-MX")
_GIVEN = (
    "Ada",
    "Björn",
    "Chloé",
    "Dmitri",
    "Elif",
    "Fatima",
    "Grace",
    "Håkon",
    "Ingrid",
    "João",
    "Kenji",
    "Lucía",
    "Maya",
)
_FAMILY = (
    "Andersson",
    "Berg",
    "Costa",
    "Dubois",
    "Eriksen",
    "Fischer",
    "García",
    "Hansen",
    "Iyer",
    "Jansen",
    "Kowalski",
)
_KNOWN = datetime(1970, 1, 1, tzinfo=UTC)


class Fact(msgspec.Struct, frozen=True, gc=False):
    """One row of the log, as far as it differs from the others."""

    position: int
    recorded_at: datetime
    stream_id: UUID
    version: int
    topic: str
    state: bytes
    command_id: UUID
    trace_id: bytes


class Population:
    """So many users and their histories."""

    def __init__(self, users: int, claim_ids: ClaimIds, begin: datetime) -> None:
        self.users = users
        self._claim_ids = claim_ids
        self._begin = begin
        self._step = _stride(users)
        self._interval = LENGTH / self.events

    @property
    def events(self) -> int:
        """Facts in the log, and its last position."""
        return self.users * (FACTS_OF_REGISTRATION + len(CHANGES))

    @property
    def last_version(self) -> int:
        """The version that each user has reached."""
        return 1 + len(CHANGES)

    def user_id(self, number: int) -> UUID:
        """The id of the n-th user, from 0 on."""
        return _id(self.recorded_at(FACTS_OF_REGISTRATION * number + 1), _octets(b"user", number))

    def recorded_at(self, position: int) -> datetime:
        """The instant of a position."""
        return self._begin + position * self._interval

    def facts(self) -> Iterator[Fact]:
        """The whole log, in order."""
        for number in range(self.users):
            yield from self._registration(number)
        position = FACTS_OF_REGISTRATION * self.users
        for wave, change in enumerate(CHANGES):
            for turn in range(self.users):
                position += 1
                number = (turn * self._step + wave) % self.users
                yield self._fact(position, self.user_id(number), wave + 2, change(number))

    def _registration(self, number: int) -> Iterator[Fact]:
        position = FACTS_OF_REGISTRATION * number + 1
        user_id = self.user_id(number)
        address = email(number)
        registered = User.Registered(
            originator_id=user_id,
            originator_version=1,
            timestamp=_KNOWN,
            originator_topic=User.TOPIC,
            email=address,
            display_name=name(number),
            country=Country(COUNTRIES[number % len(COUNTRIES)]),
        )
        user = self._fact(position, user_id, 1, encode(registered))
        yield user
        claimed = encode(
            EmailClaim.Claimed(originator_id=user_id, originator_version=1, timestamp=_KNOWN, user_id=user_id)
        )
        claim = self._fact(position + 1, self._claim_ids.of(address), 1, claimed)
        yield replace(claim, recorded_at=user.recorded_at, command_id=user.command_id, trace_id=user.trace_id)

    def _fact(self, position: int, stream_id: UUID, version: int, stored: tuple[str, bytes]) -> Fact:
        recorded_at = self.recorded_at(position)
        octets = _octets(b"command", position)
        return Fact(position, recorded_at, stream_id, version, *stored, _id(recorded_at, octets), octets[10:26])


def email(number: int) -> EmailAddress:
    """The address of the n-th user."""
    return EmailAddress(f"person.{number}@example.com")


def name(number: int) -> DisplayName:
    """What the n-th user is called at first."""
    return DisplayName(f"{_GIVEN[number % len(_GIVEN)]} {_FAMILY[number % len(_FAMILY)]}")


_Stored = tuple[str, bytes]


def _stored(event_type: type[AggregateEvent], **payload: object) -> _Stored:
    """Topic and stored form; neither says whose fact it is, so that users who do the same share it."""
    return encode(event_type(originator_id=UUID(int=0), originator_version=0, timestamp=_KNOWN, **payload))


def _verified(_: int) -> _Stored:
    return _stored(User.EmailVerified)


@lru_cache(maxsize=4096)
def _renamed(number: int) -> _Stored:
    return _stored(User.DisplayNameChanged, display_name=DisplayName(f"{name(number)} {number % 997}"))


def _moved(number: int) -> _Stored:
    return _moved_to(COUNTRIES[(number + 7) % len(COUNTRIES)])


@lru_cache
def _moved_to(country: str) -> _Stored:
    return _stored(User.CountryChanged, country=Country(country))


@lru_cache
def _consented_to(purpose: str) -> _Stored:
    return _stored(User.ConsentGranted, purpose=Purpose(purpose), document_version=DocumentVersion("2026-01"))


def _speaks(number: int) -> _Stored:
    return _stored(User.LocaleChanged, locale=Locale(_LOCALES[number % len(_LOCALES)]))


def _filtered(_: int) -> _Stored:
    return _stored(User.ExplicitContentFilterChanged, explicit_content_filter=True)


def _born(number: int) -> _Stored:
    return _stored(
        User.BirthDateChanged, birth_date=BirthDate(date(1950 + number % 55, 1 + number % 12, 1 + number % 28))
    )


CHANGES: tuple[Callable[[int], _Stored], ...] = (
    _verified,
    _renamed,
    _moved,
    lambda _: _consented_to("personalised-ads"),
    _speaks,
    lambda _: _consented_to("newsletter"),
    _filtered,
    _born,
)
"""What happens to every user after the registration, in this order."""


def _stride(users: int) -> int:
    """A step that, taken again and again, visits each of so many once, in an order that looks like none."""
    step = int(users * 0.6180339887) | 1
    while gcd(step, users) != 1:
        step += 1
    return step


def _octets(kind: bytes, number: int) -> bytes:
    return hashlib.blake2b(number.to_bytes(8), digest_size=26, person=kind).digest()


def _id(instant: datetime, octets: bytes) -> UUID:
    return uuid7(int(instant.timestamp() * 1000), octets[:10])
