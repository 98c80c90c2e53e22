"""Values that only accounts have, right by construction like those of `domain.values`."""

import re
from datetime import date
from enum import StrEnum
from typing import NewType

from domain import errors
from domain.free_text import composed_within, has_control_characters, has_visible_character

DisplayName = NewType("DisplayName", str)
BirthDate = NewType("BirthDate", date)
Purpose = NewType("Purpose", str)
DocumentVersion = NewType("DocumentVersion", str)
ExternalId = NewType("ExternalId", str)
MINIMUM_AGE_YEARS = 13
DISPLAY_NAME_LIMIT = 50
OLDEST_AGE_YEARS = 130
"""Nobody has lived that long."""
_PURPOSE = re.compile(r"[a-z][a-z0-9-]{0,39}")
_EXTERNAL_ID = re.compile(r"[\x21-\x7e]{1,64}")
_DOCUMENT_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.-]{0,31}")


class UserStatus(StrEnum):
    """What a user account is, at one moment. The first that applies, in this order from the last."""

    ACTIVE = "active"
    DEACTIVATED = "deactivated"
    SUSPENDED = "suspended"
    DELETION_REQUESTED = "deletion_requested"
    ERASED = "erased"


def parse_display_name(text: str) -> DisplayName:
    """A name trimmed and in NFC, of 1 to 50 characters, with something to see and nothing to trick the eye.

    Characters that are not shown are left out (U+200B, U+FEFF, U+3164 and others), joiners that do something stay.
    """
    name = composed_within(text, DISPLAY_NAME_LIMIT)
    if name is None:
        raise errors.DisplayNameTooLong
    if has_control_characters(name):
        raise errors.DisplayNameHasControlCharacters
    if not has_visible_character(name):
        raise errors.DisplayNameBlank
    if len(name) > DISPLAY_NAME_LIMIT:
        raise errors.DisplayNameTooLong
    return DisplayName(name)


def parse_birth_date(born: date, today: date) -> BirthDate:
    """A date in the past, of somebody who is between 13 and 130 years old today."""
    if born >= today:
        raise errors.BirthDateInFuture
    age = _years_between(born, today)
    if age < MINIMUM_AGE_YEARS:
        raise errors.TooYoung
    if age > OLDEST_AGE_YEARS:
        raise errors.BirthDateTooLongAgo
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


def _years_between(born: date, today: date) -> int:
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))
