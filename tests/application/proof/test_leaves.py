"""Leaves: every column counts, nothing can be taken for anything else."""

import contextlib
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from application.proof.leaves import COLUMNS, LeafInvalidError, StoredEvent, decode, encode, glance, position_of

TEXTS = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=20)
INSTANTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001 - the strategy adds it
EVENTS = st.builds(
    StoredEvent,
    position=st.integers(1, 2**63 - 1),
    recorded_at=INSTANTS,
    stream_id=st.uuids(),
    version=st.integers(0, 2**31 - 1),
    topic=TEXTS,
    state=st.binary(max_size=40),
    **dict.fromkeys(("command_id", "correlation_id", "causation_id"), st.none() | st.uuids()),
    trace_id=st.none() | st.binary(max_size=16),
    **dict.fromkeys(("actor", "on_behalf_of", "client", "reason"), st.none() | TEXTS),
)
EXAMPLE = StoredEvent(
    position=7,
    recorded_at=datetime(2026, 3, 14, 15, 9, 26, 535897, tzinfo=UTC),
    stream_id=UUID("0190c0de-0000-7000-8000-000000000001"),
    version=2,
    topic="user.country_changed",
    state=b'{"country":"NO"}',
    command_id=UUID(int=1),
    actor="admin:ann",
    reason="",
)


@given(EVENTS)
def test_an_event_survives_being_encoded(event: StoredEvent) -> None:
    data = encode(event)

    assert decode(data) == event
    assert position_of(data) == event.position
    assert glance(data)[1:] == (event.topic, event.state)


def test_the_encoding_is_what_it_was() -> None:
    expected = (
        "01000e000000080000000000000007000000080002effc23e6a2d9"
        "000000100190c0de0000700080000000000000010000000400000002"
        "00000014757365722e636f756e7472795f6368616e676564000000107b22636f756e747279223a224e4f227d"
        "0000001000000000000000000000000000000001ffffffffffffffffffffffff"
        "0000000961646d696e3a616e6effffffffffffffff00000000"
    )  # fmt: skip

    assert encode(EXAMPLE).hex() == expected


OTHERS: dict[str, Any] = {
    "position": 8,
    "recorded_at": EXAMPLE.recorded_at + timedelta(microseconds=1),
    "stream_id": UUID(int=5),
    "version": 3,
    "topic": "user.locale_changed",
    "state": b'{"country":"DK"}',
    "command_id": None,
    "correlation_id": UUID(int=1),
    "causation_id": UUID(int=1),
    "trace_id": bytes(16),
    "actor": "admin:bob",
    "on_behalf_of": "",
    "client": "",
    "reason": None,
}


def test_every_column_counts() -> None:
    assert tuple(OTHERS) == COLUMNS == StoredEvent.__struct_fields__

    changed = {encode(replace(EXAMPLE, **{name: value})) for name, value in OTHERS.items()}

    assert len(changed | {encode(EXAMPLE)}) == len(COLUMNS) + 1


def test_what_is_not_there_differs_from_what_is_empty() -> None:
    assert encode(replace(EXAMPLE, client=None)) != encode(replace(EXAMPLE, client=""))


@given(EVENTS, st.data())
def test_no_other_octets_stand_for_the_same_event(event: StoredEvent, data: st.DataObject) -> None:
    encoded = encode(event)
    place = data.draw(st.integers(0, len(encoded) - 1))
    spoiled = encoded[:place] + bytes([encoded[place] ^ data.draw(st.integers(1, 255))]) + encoded[place + 1 :]
    with contextlib.suppress(LeafInvalidError):
        assert decode(spoiled) != event


@pytest.mark.parametrize(
    "spoil",
    [lambda d: d[:-1], lambda d: d + b"\x00", lambda d: d[:30], lambda _: b""],
    ids=["shorter", "longer", "half", "empty"],
)
def test_octets_that_are_no_event_are_refused(spoil: Any) -> None:
    with pytest.raises(LeafInvalidError):
        decode(spoil(encode(EXAMPLE)))
