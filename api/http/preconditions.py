"""Entity tags: the version of a user, quoted (RFC 9110 sections 8.8.3 and 13.1)."""

import re

from api.http.problems import Kind, Refused
from api.http.requests import ApiRequest, header_refused

VERSIONED = frozenset({"user_id"})
"""The parameters of paths that name something with versions, which a precondition can be about."""
NO_VERSION = 0
"""Versions begin at 1."""
_TAG = rb'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
# Members may be empty (RFC 9110 section 5.6.1.2).
_TAGS = re.compile(rb"[ \t,]*(?:" + _TAG + rb"[ \t]*(?:,[ \t,]*|\Z))*")
_ONE_TAG = re.compile(_TAG)
_VERSION = re.compile(rb'"([1-9][0-9]{0,9})"')


def etag(version: int) -> bytes:
    """The entity tag of a version."""
    return b'"%d"' % version


def expected_version(request: ApiRequest) -> int | None:
    """The version that a command expects (If-Match); None if any version will do.

    A tag that no version can have counts as stale; a weak one never matches here (section 13.1.1).
    """
    value = request.header(b"if-match")
    if value is None or value == b"*":
        return None
    tags = _tags(value, b"if-match")
    if len(tags) != 1:
        raise header_refused(b"if-match", "Name one version, or * for any.")
    if tags[0].startswith(b"W/"):
        raise Refused(Kind.ENTITY_TAG_WEAK)
    version = _VERSION.fullmatch(tags[0])
    return int(version.group(1)) if version else NO_VERSION


def is_known(request: ApiRequest, version: int) -> bool:
    """Whether the caller has this version already (If-None-Match)."""
    value = request.header(b"if-none-match")
    if value is None:
        return False
    if value == b"*":
        return True
    return etag(version) in [tag.removeprefix(b"W/") for tag in _tags(value, b"if-none-match")]


def _tags(value: bytes, header: bytes) -> list[bytes]:
    if not _TAGS.fullmatch(value):
        raise header_refused(header, 'An entity tag must look like "5", including the quotes.')
    return _ONE_TAG.findall(value)
