"""Identifiers that sort by the time they were given out (UUID version 7, RFC 9562 section 5.7)."""

import os
import time
from uuid import UUID


def uuid7(unix_milliseconds: int | None = None, random: bytes | None = None) -> UUID:
    """A UUIDv7 from a time in milliseconds since 1970 and ten random bytes, each taken from the system if not given."""
    milliseconds = time.time_ns() // 1_000_000 if unix_milliseconds is None else unix_milliseconds
    tail = int.from_bytes(os.urandom(10) if random is None else random)
    version_and_variant = (7 << 76) | (0b10 << 62)
    rand_a = (tail >> 62) & 0xFFF
    rand_b = tail & ((1 << 62) - 1)
    return UUID(int=(milliseconds & ((1 << 48) - 1)) << 80 | version_and_variant | rand_a << 64 | rand_b)
