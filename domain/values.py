"""Values that are right by construction: each is made by its `parse_…` function, which refuses all else.

They are plain `str` and `date` at run time (NewTypes), so that storing and loading millions of them costs nothing.
"""

import re
import unicodedata
from datetime import date, datetime
from enum import StrEnum
from functools import lru_cache
from typing import NewType

import babel
from babel.core import parse_locale
from email_validator import EmailNotValidError, validate_email
from email_validator.rfc_constants import CASE_INSENSITIVE_MAILBOX_NAMES

from domain import errors

EmailAddress = NewType("EmailAddress", str)
DisplayName = NewType("DisplayName", str)
Country = NewType("Country", str)
Locale = NewType("Locale", str)
BirthDate = NewType("BirthDate", date)
Purpose = NewType("Purpose", str)
DocumentVersion = NewType("DocumentVersion", str)
Reason = NewType("Reason", str)
ExternalId = NewType("ExternalId", str)
AccessPurpose = NewType("AccessPurpose", str)

ERASED = "[erased]"
"""Stands wherever personal data of an erased person stood: text of any kind, and dates, too."""
SEALED = "[sealed]"
"""Stands for personal data in facts that were read without opening it."""
MINIMUM_AGE_YEARS = 13
DISPLAY_NAME_LIMIT = 50
REASON_LIMIT = 500
EMAIL_LIMIT = 254
"""Octets in an address that SMTP can carry (RFC 5321 section 4.5.3.1.3, less the angle brackets)."""

# CLDR territories that ISO 3166-1 has reserved or never assigned to a country.
_NOT_COUNTRIES = frozenset({"AC", "CP", "CQ", "DG", "EA", "EU", "EZ", "IC", "QO", "TA", "UN", "XA", "XB", "XK", "ZZ"})
# Overrides and isolates can make a name look like another one (Unicode Technical Report 36).
_BIDI_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Letters and symbols that show nothing: fillers of Hangul, the blank of Braille.
_FILLERS = frozenset("\u115f\u1160\u3164\uffa0\u2800")
_FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
# What nearly all addresses are: a dot-atom of at most 64 octets (RFC 5322 section 3.2.3, RFC 5321 section 4.5.3.1.1)
# before ASCII that may be a domain. All that is known here is that such a local part is its own normal form.
_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]"
_PLAIN_ADDRESS = re.compile(rf"(?=[^@]{{1,64}}@)({_ATEXT}+(?:\.{_ATEXT}+)*)@([A-Za-z0-9.-]+)")
_LOCALE = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z]{4})?([-_]([A-Za-z]{2}|[0-9]{3}))?")
_PURPOSE = re.compile(r"[a-z][a-z0-9-]{0,39}")
_EXTERNAL_ID = re.compile(r"[\x21-\x7e]{1,64}")
_ACCESS_PURPOSE = re.compile(r"[0-9A-Za-z][0-9A-Za-z ._:/#-]{0,99}")
_DOCUMENT_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.-]{0,31}")


class UserStatus(StrEnum):
    """What a user account is, at one moment. The first that applies, in this order from the last."""

    ACTIVE = "active"
    DEACTIVATED = "deactivated"
    SUSPENDED = "suspended"
    DELETION_REQUESTED = "deletion_requested"
    ERASED = "erased"


def parse_email_address(text: str) -> EmailAddress:
    """An address in its normal form: NFC, the domain in lower case and Unicode. Raises `EmailInvalid`."""
    if len(text) > EMAIL_LIMIT:
        raise errors.EmailInvalid
    plain = _PLAIN_ADDRESS.fullmatch(text)
    if plain and plain[1].lower() not in CASE_INSENSITIVE_MAILBOX_NAMES:
        domain = _plain_domain(plain[2])
        if domain is not None:
            return EmailAddress(f"{plain[1]}@{domain}")
    try:
        return EmailAddress(_validated_address(text))
    except EmailNotValidError:
        raise errors.EmailInvalid from None


@lru_cache(maxsize=16_384)
def _plain_domain(domain: str) -> str | None:
    """The normal form of a domain that is plain in it, too; most people share theirs with millions of others.

    None if it is not: then the whole address has to be looked at.
    """
    try:
        normal = _validated_address(f"a@{domain}")[2:]
    except EmailNotValidError:
        return None
    return normal if normal == domain.lower() else None


def _validated_address(text: str) -> str:
    return validate_email(text, check_deliverability=False, strict=True).normalized


def email_key(address: EmailAddress) -> str:
    """The form under which two spellings of an address are the same: case-folded, in Unicode form NFKC."""
    if address.isascii():
        return address.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", address).casefold())


def parse_display_name(text: str) -> DisplayName:
    """A name trimmed and in NFC, of 1 to 50 characters, with something to see and nothing to trick the eye."""
    name = unicodedata.normalize("NFC", text.strip())
    if _has_control_characters(name):
        raise errors.DisplayNameHasControlCharacters
    if not _has_visible_character(name):
        raise errors.DisplayNameBlank
    if len(name) > DISPLAY_NAME_LIMIT:
        raise errors.DisplayNameTooLong
    return DisplayName(name)


def parse_reason(text: str) -> Reason:
    """A reason trimmed and in NFC, of 1 to 500 characters."""
    reason = unicodedata.normalize("NFC", text.strip())
    if not _has_visible_character(reason) or len(reason) > REASON_LIMIT or _has_control_characters(reason):
        raise errors.ReasonInvalid
    return Reason(reason)


def parse_access_purpose(text: str) -> AccessPurpose:
    """What personal data is read for: a case or ticket, not a sentence, so that nobody's name gets into it.

    Raises `AccessPurposeInvalid`.
    """
    if not _ACCESS_PURPOSE.fullmatch(text):
        raise errors.AccessPurposeInvalid
    return AccessPurpose(text)


def parse_country(text: str) -> Country:
    """An ISO 3166-1 alpha-2 code in upper case. Raises `CountryUnknown`."""
    if text not in countries():
        raise errors.CountryUnknown
    return Country(text)


@lru_cache(maxsize=1)
def countries() -> frozenset[str]:
    """Every assigned ISO 3166-1 alpha-2 code, as the CLDR knows them."""
    codes = babel.Locale("en").territories
    return frozenset(code for code in map(str, codes) if re.fullmatch("[A-Z]{2}", code)) - _NOT_COUNTRIES


@lru_cache(maxsize=1024)
def parse_locale_tag(text: str) -> Locale:
    """A locale with CLDR data, written `sv_SE` or `sv-SE`, as a BCP 47 tag (`sv-SE`). Raises `LocaleUnknown`."""
    if not _LOCALE.fullmatch(text):
        raise errors.LocaleUnknown
    name = text.replace("-", "_")
    # Babel keeps the regions of Norwegian under Bokmål, and knows `no` without one only (CLDR: `no` is nb's parent).
    if name.lower().startswith("no_"):
        name = f"nb{name[2:]}"
    try:
        language, territory, script, *_ = parse_locale(name)
        found = babel.Locale.parse(name)
    except (ValueError, babel.UnknownLocaleError):
        raise errors.LocaleUnknown from None
    # Babel falls back to a near relative where it has no data; a near relative is not what was asked for.
    if found.language != language or territory not in {None, found.territory} or script not in {None, found.script}:
        raise errors.LocaleUnknown
    return Locale("-".join(part for part in (found.language, found.script, found.territory) if part))


def parse_birth_date(born: date, today: date) -> BirthDate:
    """A date in the past, of somebody who is at least 13 years old today."""
    if born >= today:
        raise errors.BirthDateInFuture
    if _years_between(born, today) < MINIMUM_AGE_YEARS:
        raise errors.TooYoung
    return BirthDate(born)


def parse_purpose(text: str) -> Purpose:
    """What a consent is for, such as `personalised-ads`."""
    if not _PURPOSE.fullmatch(text):
        raise errors.ConsentPurposeInvalid
    return Purpose(text)


def parse_document_version(text: str) -> DocumentVersion:
    """The version of the text that a person was shown, such as `2026-01`."""
    if not _DOCUMENT_VERSION.fullmatch(text):
        raise errors.DocumentVersionInvalid
    return DocumentVersion(text)


def parse_external_id(text: str) -> ExternalId:
    """What another system calls this person."""
    if not _EXTERNAL_ID.fullmatch(text):
        raise errors.ExternalIdInvalid
    return ExternalId(text)


def has_passed(instant: datetime, now: datetime) -> bool:
    """Whether an instant is not in the future any more; both are aware of their time zone."""
    return instant <= now


def _years_between(born: date, today: date) -> int:
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


def _has_control_characters(text: str) -> bool:
    if text.isascii():
        return not text.isprintable()
    return any(unicodedata.category(char) in _FORBIDDEN_CATEGORIES or char in _BIDI_CONTROLS for char in text)


def _has_visible_character(text: str) -> bool:
    if text.isascii() and text.isprintable():
        return not text.isspace() and text != ""
    # A mark needs something that it marks.
    return any(unicodedata.category(char)[0] not in "ZCM" and char not in _FILLERS for char in text)
