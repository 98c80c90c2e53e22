"""Which media type an answer is to have (Accept, RFC 9110 section 12.5.1)."""

from collections.abc import Sequence
from functools import lru_cache

JSON = b"application/json"


@lru_cache(maxsize=256)
def preferred(accepted: bytes | None, offered: Sequence[bytes]) -> bytes | None:
    """The media type that is wanted most, of equals the first; None if none of them is acceptable."""
    if accepted is None or not accepted.strip():
        return offered[0]
    weights = dict(map(_weighted, accepted.lower().split(b",")))
    best = max(offered, key=lambda media_type: _weight(media_type, weights))
    return best if _weight(best, weights) > 0 else None


def _weight(media_type: bytes, weights: dict[bytes, float]) -> float:
    """The most specific range decides."""
    ranges = (media_type, media_type.partition(b"/")[0] + b"/*", b"*/*")
    return next((weights[media_range] for media_range in ranges if media_range in weights), 0.0)


def _weighted(part: bytes) -> tuple[bytes, float]:
    media_range, *parameters = (piece.strip() for piece in part.split(b";"))
    weight = next((piece[2:] for piece in parameters if piece.startswith(b"q=")), b"1")
    try:
        return media_range, float(weight)
    except ValueError:
        return media_range, 1.0
