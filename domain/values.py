"""Values that are right by construction: each is made by its `parse_…` function, which refuses all else.

They are plain `str` and `date` at run time (NewTypes), so that storing and loading millions of them costs nothing.
"""

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import NewType

import babel
import idna
import langcodes
from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email
from email_validator.rfc_constants import CASE_INSENSITIVE_MAILBOX_NAMES

from domain import errors
from domain.free_text import composed, composed_within, has_control_characters, has_visible_character, nfkc, search_key

EmailAddress = NewType("EmailAddress", str)
Country = NewType("Country", str)
Locale = NewType("Locale", str)
Reason = NewType("Reason", str)
AccessPurpose = NewType("AccessPurpose", str)

ERASED = "[erased]"
"""Stands wherever personal data of an erased person stood: text of any kind, and dates, too."""
SEALED = "[sealed]"
"""Stands for personal data in events that were read without unsealing them."""
REASON_LIMIT = 500
_EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
"""Nobody has brought an account along that is older."""
EMAIL_LIMIT = 254
"""Octets in an address that SMTP can carry (RFC 5321 section 4.5.3.1.3, less the angle brackets)."""

LOCAL_PART_LIMIT = 64
"""Octets before the @ (RFC 5321 section 4.5.3.1.1)."""

# CLDR territories that ISO 3166-1 has reserved or never assigned to a country.
_NOT_COUNTRIES = frozenset({"AC", "CP", "CQ", "DG", "EA", "EU", "EZ", "IC", "QO", "TA", "UN", "XA", "XB", "ZZ"})
# What nearly all addresses are: a dot-atom of at most 64 octets (RFC 5322 section 3.2.3, RFC 5321 section 4.5.3.1.1)
# before ASCII that may be a domain. All that is known here is that such a local part is its own normal form.
_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]"
_PLAIN_ADDRESS = re.compile(rf"(?=[^@]{{1,64}}@)({_ATEXT}+(?:\.{_ATEXT}+)*)@([A-Za-z0-9.-]+)")
_LOCALE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z]{4})?(?:[-_]([A-Za-z]{2}|[0-9]{3}))?")
_NO_LANGUAGES = frozenset({None, "und", "mis", "mul", "zxx"})
_NO_REGIONS = frozenset({"UK", "ZZ"})
"""What people write for GB and was never registered; and what says that the region is not known."""
_PRIVATE = re.compile(r"q[a-t][a-z]|Qa[a-b][a-x]|Zzzz|AA|Q[M-Z]|X[A-JL-Z]")
"""Subtags for private use, which say nothing to anybody else."""
_ACCESS_PURPOSE = re.compile(r"[0-9A-Za-z][0-9A-Za-z ._:/#-]{0,99}")


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
        address = _validated_address(text)
    except EmailNotValidError:
        raise _refusal_of(text) from None
    if len(address.rpartition("@")[0].encode()) > LOCAL_PART_LIMIT:
        raise errors.EmailInvalid
    return EmailAddress(address)


def _refusal_of(text: str) -> errors.DomainError:
    """Why something is no address: a reserved domain is told, because all else about the address may be right."""
    domain = text.rpartition("@")[2].lower()
    is_reserved = any(f".{domain}".endswith(f".{name}") for name in SPECIAL_USE_DOMAIN_NAMES)
    return errors.EmailDomainReserved() if is_reserved else errors.EmailInvalid()


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
    """The form under which two spellings of an address are the same: its local part as `search_key` has it.

    Domains have one spelling each: one with ß is another than that with ss (IDNA 2008).
    """
    if address.isascii():
        return address.lower()
    local_part, _, domain = address.rpartition("@")
    return f"{search_key(local_part)}@{domain}"


def address_beginning(text: str) -> str:
    """The form of the beginning of an address that `email_key` of such addresses begins with."""
    local_part, at, domain = composed(text).partition("@")
    labels = re.split("[.\u3002]", nfkc(domain).lower())
    return search_key(local_part) + at + ".".join(map(_label, labels))


def _label(label: str) -> str:
    """A label of a domain in Unicode; as it is, if it is none yet."""
    try:
        return idna.decode(label) if label.startswith("xn--") else label
    except idna.IDNAError:
        return label


def parse_reason(text: str) -> Reason:
    """A reason trimmed and in NFC, of 1 to 500 characters."""
    reason = composed_within(text, REASON_LIMIT)
    if reason is None or has_control_characters(reason):
        raise errors.ReasonInvalid
    if not has_visible_character(reason) or len(reason) > REASON_LIMIT:
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
    """An ISO 3166-1 alpha-2 code in upper case, or XK. Raises `CountryUnknown`."""
    if text not in countries():
        raise errors.CountryUnknown
    return Country(text)


@lru_cache(maxsize=1)
def countries() -> frozenset[str]:
    """Every assigned ISO 3166-1 alpha-2 code, as the CLDR knows them, and XK.

    XK is Kosovo, in the range that ISO leaves to its users; the European Union and banks use it so.
    """
    codes = babel.Locale("en").territories
    return frozenset(code for code in map(str, codes) if re.fullmatch("[A-Z]{2}", code)) - _NOT_COUNTRIES


@lru_cache(maxsize=1024)
def parse_locale_tag(text: str) -> Locale:
    """A language, with script and region if there are any, as a BCP 47 tag (`sv-SE`). Raises `LocaleUnknown`.

    Registered subtags, in any combination; `sv_SE` is accepted, too. The result is the canonical form: without
    deprecated subtags (`iw-IL` becomes `he-IL`), without a default script, but with a script that distinguishes two
    forms of a language (`zh-TW` becomes `zh-Hant-TW`).
    """
    written = _LOCALE.fullmatch(text)
    if written is None or not _is_region(written[1]):
        raise errors.LocaleUnknown
    tag = langcodes.Language.get(text)
    if any(_PRIVATE.fullmatch(part) for part in (tag.language, tag.script, tag.territory) if part):
        raise errors.LocaleUnknown
    registered = langcodes.standardize_tag(tag)
    form = _form_of_cldr(registered)
    if form is None and (tag.language in _NO_LANGUAGES or not tag.is_valid()):
        raise errors.LocaleUnknown
    return Locale(form or registered)


def _is_region(written: str | None) -> bool:
    """Whether a region may be meant; groups of countries have numbers (UN M49)."""
    if written is None or not written.isdigit():
        return written is None or written.upper() not in _NO_REGIONS
    return written in babel.Locale("en").territories


def _form_of_cldr(tag: str) -> str | None:
    """The form that the CLDR has of a locale it has data for."""
    # Babel keeps the regions of Norwegian under Bokmål, and knows `no` without one only (CLDR: `no` is nb's parent).
    name = f"nb{tag[2:]}" if tag.startswith("no-") else tag
    try:
        found = babel.Locale.parse(name, sep="-")
    except (ValueError, babel.UnknownLocaleError):
        return None
    # Babel falls back to a near relative where it has no data; a near relative is not what was asked for.
    form = "-".join(part for part in (found.language, found.script, found.territory) if part)
    return form if set(name.split("-")) <= set(form.split("-")) else None


def parse_occurred_at(instant: datetime, now: datetime) -> datetime:
    """When something happened elsewhere: from 1990 to now, in UTC."""
    if instant > now:
        raise errors.OccurredInFuture
    if instant < _EARLIEST:
        raise errors.OccurredTooLongAgo
    return instant.astimezone(UTC)


def has_passed(instant: datetime, now: datetime) -> bool:
    """Whether an instant is not in the future any more; both are aware of their time zone."""
    return instant <= now
