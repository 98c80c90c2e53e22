"""Media types: which one an answer is to have (RFC 9110 section 12.5.1), and which ones content may have (8.3)."""

import re
from collections.abc import Sequence
from functools import lru_cache

from api.http.header_values import PARAMETERS, TOKEN, list_members, parameters_in

JSON = b"application/json"
MERGE_PATCH = b"application/merge-patch+json"
FORM = b"application/x-www-form-urlencoded"
HTML = b"text/html"

_WITH_PARAMETERS = re.compile(rb"(" + TOKEN + rb"/" + TOKEN + rb")(" + PARAMETERS + rb")[ \t]*", re.DOTALL)
_WEIGHT = re.compile(rb";[ \t]*q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)[ \t]*(?:;|\Z)", re.IGNORECASE)
_UTF_8 = frozenset({b"utf-8", b"utf8"})


@lru_cache(maxsize=256)
def preferred(accepted: bytes | None, offered: Sequence[bytes]) -> bytes | None:
    """The most wanted media type, the first of equals; None if none is acceptable."""
    ranges = list_members((accepted or b"").lower())
    if not ranges:
        return offered[0]
    weights = dict(map(_weighted, ranges))
    best = max(offered, key=lambda media_type: _weight(media_type, weights))
    return best if _weight(best, weights) > 0 else None


def _weight(media_type: bytes, weights: dict[bytes, float]) -> float:
    """The most specific range decides."""
    ranges = (media_type, media_type.partition(b"/")[0] + b"/*", b"*/*")
    return next((weights[media_range] for media_range in ranges if media_range in weights), 0.0)


def _weighted(member: bytes) -> tuple[bytes, float]:
    return member.partition(b";")[0].strip(), weight_of(member)


def weight_of(member: bytes) -> float:
    """The weight of a member of a list (RFC 9110 section 12.4.2); a malformed weight is ignored."""
    stated = _WEIGHT.search(member)
    return float(stated[1]) if stated else 1.0


@lru_cache(maxsize=256)
def fault_of_content_type(value: bytes, taken: frozenset[bytes]) -> str | None:
    """Why content with this `Content-Type` is refused; None if it is accepted.

    JSON has no parameters (RFC 8259 section 11), so they are ignored. A charset other than UTF-8 is refused all the
    same: the sender has encoded the content in it, or believes so.
    """
    found = _WITH_PARAMETERS.fullmatch(value)
    if found is None or found[1].lower() not in taken:
        return f"The content must be {' or '.join(name.decode() for name in sorted(taken))}."
    charsets = [charset.lower() for name, charset in parameters_in(found[2]) if name == b"charset"]
    return None if _UTF_8.issuperset(charsets) else "The content must be in UTF-8, but charset names another encoding."
