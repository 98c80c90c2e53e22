"""The languages that people are answered in: a file for each, and the one that a browser asks for."""

from enum import StrEnum
from functools import cache
from importlib.resources import files

import msgspec

from api.header_values import list_members
from api.media_types import weight_of

LANGUAGES = ("en", "sv", "de", "es", "ja")
"""Tags of BCP 47; the first one is for everybody else."""
_READ = 50
"""Languages of a browser that are looked at."""


class Outcome(StrEnum):
    """What came of opening a link, or of the attempt to."""

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
    """All that is said in one language."""

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
    """The language that is wanted most, whatever its region and script (Accept-Language, RFC 9110 section 12.5.4)."""
    members = list_members((accepted or b"").lower())[:_READ]
    for member in sorted(members, key=weight_of, reverse=True):
        tag = member.partition(b";")[0].strip().partition(b"-")[0].decode("latin-1")
        if tag in LANGUAGES and weight_of(member) > 0:
            return tag
    return LANGUAGES[0]
