"""Identifiers that sort by time (RFC 9562 section 5.7)."""

import time
from itertools import pairwise
from uuid import RFC_4122, UUID

from hypothesis import given as for_all
from hypothesis import strategies as st

from domain.ids import uuid7

MILLISECONDS = st.integers(0, 2**48 - 1)
RANDOM = st.binary(min_size=10, max_size=10)


def test_the_example_of_the_standard() -> None:
    # RFC 9562 appendix A.6: 22 February 2022, 19:22:22 UTC, with rand_a 0xCC3 and rand_b 0x18C4DC0C0C07398F.
    random = ((0xCC3 << 62) | 0x18C4DC0C0C07398F).to_bytes(10)

    assert uuid7(0x017F22E279B0, random) == UUID("017F22E2-79B0-7CC3-98C4-DC0C0C07398F")


@for_all(MILLISECONDS, RANDOM)
def test_an_id_is_of_version_7_and_tells_its_time(milliseconds: int, random: bytes) -> None:
    made = uuid7(milliseconds, random)

    assert (made.version, made.variant) == (7, RFC_4122)
    assert made.int >> 80 == milliseconds


@for_all(st.lists(MILLISECONDS, unique=True, min_size=2), RANDOM, RANDOM)
def test_ids_sort_by_time_whatever_is_random(times: list[int], random: bytes, other: bytes) -> None:
    ids = [uuid7(at, random if at % 2 else other) for at in sorted(times)]

    assert all(earlier < later for earlier, later in pairwise(ids))


@for_all(MILLISECONDS, RANDOM, RANDOM)
def test_all_74_random_bits_count(milliseconds: int, random: bytes, other: bytes) -> None:
    differ = (int.from_bytes(random) ^ int.from_bytes(other)) & (2**74 - 1)

    assert (uuid7(milliseconds, random) != uuid7(milliseconds, other)) == bool(differ)


def test_without_arguments_the_time_is_now_and_the_rest_is_random() -> None:
    before = time.time_ns() // 1_000_000
    ids = [uuid7() for _ in range(100)]
    after = time.time_ns() // 1_000_000

    assert all(before <= made.int >> 80 <= after for made in ids)
    assert len({made.int & (2**62 - 1) for made in ids}) == 100
