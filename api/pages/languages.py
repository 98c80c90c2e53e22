"""The languages of the pages, one file each, and the choice by a browser's preferences."""

from enum import StrEnum
from functools import cache
from importlib.resources import files

import msgspec

from api.http.content_negotiation import weight_of
from api.http.header_values import list_members

LANGUAGES = ("en", "sv", "de", "es", "ja")
"""BCP 47 tags; the first one is the default."""
_READ = 50
"""How many languages of a browser are considered."""


class Outcome(StrEnum):
    """The outcome of confirming an address."""

    CONFIRMED = "confirmed"
    ALREADY_CONFIRMED = "already_confirmed"
    EXPIRED = "expired"
    REPLACED = "replaced"
    TAKEN = "taken"
    CLOSED = "closed"
    UNKNOWN = "unknown"
    UNAVAILABLE = "unavailable"
    REFUSED = "refused"


class Told(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An outcome in words."""

    title: str
    text: str


class Texts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All texts in one language."""

    title: str
    question: str
    otherwise: str
    button: str
    outcomes: dict[Outcome, Told]


@cache
def texts_in(language: str) -> Texts:
    """The texts in one of `LANGUAGES`."""
    file = files("api.pages").joinpath("texts", f"{language}.json")
    return msgspec.json.decode(file.read_bytes(), type=Texts)


def language_for(accepted: bytes | None) -> str:
    """The most wanted language, whatever its region and script (Accept-Language, RFC 9110 section 12.5.4)."""
    members = list_members((accepted or b"").lower())[:_READ]
    for member in sorted(members, key=weight_of, reverse=True):
        tag = member.partition(b";")[0].strip().partition(b"-")[0].decode("latin-1")
        if tag in LANGUAGES and weight_of(member) > 0:
            return tag
    return LANGUAGES[0]
