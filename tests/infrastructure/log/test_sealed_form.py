"""What is personal in an event is sealed for its own place with its owner's key, and in no other way readable."""

from base64 import b64decode
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given as for_all
from hypothesis import strategies as st

from application.unreadable import UNREADABLE
from domain.kernel import AggregateEvent, event_types, payload_fields, personal_fields
from domain.users import User
from domain.values import ERASED, SEALED
from infrastructure.encryption.key_encryption import KeyUnusableError, LocalKeyEncryptionKey
from infrastructure.encryption.reasons import open_reason, seal_reason, subjects_of
from infrastructure.encryption.sealed_form import (
    SealBrokenError,
    clear_part,
    seal,
    subject_in,
    unseal,
    unseal_for,
    without_personal,
)
from infrastructure.encryption.subject_keys import SubjectKey, unwrap, wrap
from infrastructure.log.event_codec import UndecodableEventError, decode, form_of, payload
from infrastructure.log.stored_events import SubjectKeyMissingError, readable_form, stored_form
from tests.support.instants import NOW
from tests.support.scenarios import event_of
from tests.support.values import events

ADA, BOB = uuid4(), uuid4()
ADA_S, BOB_S = (SubjectKey(person, AESGCM(bytes([number]) * 32)) for number, person in enumerate((ADA, BOB)))
PERSONAL = [event_type for event_type in event_types(User) if personal_fields(event_type)]
SAMPLES = Path(__file__).parents[2] / "samples" / "sealed_events.jsonl"


class Sample(msgspec.Struct, frozen=True):
    topic: str
    stream_id: UUID
    version: int
    key: str
    stored: str
    readable: str


def renamed(**place: Any) -> Any:
    return event_of(User.DisplayNameChanged, display_name="Countess", **{"stream_id": ADA, "version": 3, **place})


def registered() -> Any:
    return event_of(User.Registered, stream_id=ADA, email="ada@example.com", display_name="Ada", country="SE")


def stored(event: AggregateEvent, key: SubjectKey | None) -> tuple[str, bytes]:
    return stored_form(event, () if key is None else (key,))


@pytest.mark.parametrize("event_type", PERSONAL)
@for_all(st.data())
def test_every_event_survives_being_sealed(event_type: type[AggregateEvent], data: st.DataObject) -> None:
    event = data.draw(events(event_type))
    key = SubjectKey(event.originator_id, AESGCM(bytes(32)))

    topic, state = stored(event, key)
    readable = readable_form(topic, state, event.originator_id, event.originator_version, {key.subject_id: key.cipher})

    assert decode(topic, readable, event.originator_id, event.originator_version, event.timestamp) == event


def test_nothing_personal_is_in_the_stored_form_and_all_the_rest_is() -> None:
    _, state = stored(registered(), ADA_S)

    assert b"ada" not in state.lower()
    assert b'{"country":"SE"}' in state


def test_the_same_is_sealed_differently_each_time() -> None:
    assert stored(renamed(), ADA_S) != stored(renamed(), ADA_S)


@pytest.mark.parametrize(
    ("stream_id", "version", "topic"),
    [
        (ADA, 4, "user.suspended"),
        (BOB, 3, "user.suspended"),
        (ADA, 3, "user.reinstated"),
    ],
    ids=["another version", "another stream", "another topic"],
)
def test_what_was_sealed_for_one_place_is_good_for_no_other(stream_id: UUID, version: int, topic: str) -> None:
    _, state = stored(event_of(User.Suspended, stream_id=ADA, version=3, reason="Fraud"), ADA_S)

    readable = readable_form(topic, state, stream_id, version, {ADA: ADA_S.cipher, BOB: ADA_S.cipher})

    with pytest.raises(UndecodableEventError):
        decode(topic, readable, stream_id, version, NOW)


def test_one_person_s_key_opens_nothing_of_another() -> None:
    topic, state = stored(renamed(), ADA_S)

    with pytest.raises(UndecodableEventError):
        decode(topic, readable_form(topic, state, ADA, 3, {ADA: BOB_S.cipher}), ADA, 3, NOW)


def test_no_octet_can_be_changed_unnoticed() -> None:
    topic, state = stored(registered(), ADA_S)

    for at in range(len(state)):
        changed = state[:at] + bytes([state[at] ^ 1]) + state[at + 1 :]
        with pytest.raises(UndecodableEventError):
            decode(topic, readable_form(topic, changed, ADA, 1, {ADA: ADA_S.cipher}), ADA, 1, NOW)


@pytest.mark.parametrize("length", range(0, 60, 7))
def test_a_stored_form_that_was_cut_off_is_refused(length: int) -> None:
    topic, state = stored(registered(), ADA_S)

    with pytest.raises(UndecodableEventError):
        decode(topic, readable_form(topic, state[:length], ADA, 1, {ADA: ADA_S.cipher}), ADA, 1, NOW)


@pytest.mark.parametrize("event_type", PERSONAL)
@for_all(st.data())
def test_what_is_personal_about_an_erased_person_reads_as_erased(
    event_type: type[AggregateEvent], data: st.DataObject
) -> None:
    event = data.draw(events(event_type))
    place = (event.originator_id, event.originator_version)

    topic, state = stored(event, SubjectKey(event.originator_id, AESGCM(bytes(32))))
    found = decode(topic, readable_form(topic, state, *place, {event.originator_id: None}), *place, event.timestamp)

    personal = personal_fields(event_type)
    assert {getattr(found, name) for name in personal} == {ERASED}
    others = {field.name for field in payload_fields(event_type)} - personal
    assert all(getattr(found, name) == getattr(event, name) for name in others)


def test_events_from_before_sealing_are_read_as_ever_and_erased_like_all() -> None:
    event = registered()
    topic, clear = form_of(event).topic, form_of(event).encode(event)

    for ciphers in ({}, {ADA: ADA_S.cipher}):
        assert decode(topic, readable_form(topic, clear, ADA, 1, ciphers), ADA, 1, NOW) == event
    erased = decode(topic, readable_form(topic, clear, ADA, 1, {ADA: None}), ADA, 1, NOW)
    assert isinstance(erased, User.Registered)
    assert (erased.email, erased.display_name, erased.country) == (ERASED, ERASED, "SE")


def test_whoever_does_not_want_what_is_personal_reads_without_a_key() -> None:
    topic, state = stored(registered(), ADA_S)

    found = decode(topic, state, ADA, 1, NOW)

    assert isinstance(found, User.Registered)
    assert (found.email, found.display_name, found.country) == (SEALED, SEALED, "SE")


def test_a_payload_tells_what_is_erased() -> None:
    topic, state = stored(registered(), ADA_S)

    told = payload(topic, readable_form(topic, state, ADA, 1, {ADA: None}))

    personal = dict.fromkeys(personal_fields(User.Registered), ERASED)
    assert told == {"country": "SE", **personal}


@pytest.mark.parametrize("key", [None, BOB_S], ids=["no key", "another person's key"])
def test_nothing_personal_is_stored_without_its_owner_s_key(key: SubjectKey | None) -> None:
    with pytest.raises(SubjectKeyMissingError):
        stored(renamed(), key)


def test_a_reason_is_sealed_for_its_command() -> None:
    command, other = uuid4(), uuid4()

    stored = seal_reason(ADA_S.cipher, "Kärande: Ada", ADA, command)

    assert "Ada" not in stored
    assert open_reason({ADA: ADA_S.cipher}, stored, command) == "Kärande: Ada"
    assert open_reason({ADA: None}, stored, command) == ERASED
    assert open_reason({}, "as it was before", command) == "as it was before"
    for ciphers, command_id in (({ADA: ADA_S.cipher}, other), ({ADA: BOB_S.cipher}, command), ({}, command)):
        assert open_reason(ciphers, stored, command_id) == UNREADABLE


@pytest.mark.parametrize("stored", ["\x01", "\x01====", "\x01AAAA", "\x01" + "A" * 40, "\x01" + "é" * 40])
def test_a_damaged_reason_is_unreadable_and_fails_nobody(stored: str) -> None:
    ciphers = {ADA: ADA_S.cipher, UUID(int=0): BOB_S.cipher}

    assert subjects_of([stored]) <= {UUID(int=0)}
    assert open_reason(ciphers, stored, uuid4()) == UNREADABLE


def test_a_wrapped_key_is_good_for_its_owner_and_its_master_key_only() -> None:
    master, other = AESGCM(b"m" * 32), AESGCM(b"n" * 32)
    wrapped = wrap(master, ADA, b"k" * 32)

    assert unwrap(master, ADA, wrapped) == b"k" * 32
    for key, person, stored in ((other, ADA, wrapped), (master, BOB, wrapped), (master, ADA, wrapped[:-1])):
        with pytest.raises(KeyUnusableError):
            unwrap(key, person, stored)


def test_a_key_encryption_key_unwraps_only_what_it_wrapped() -> None:
    mine, other = LocalKeyEncryptionKey(b"a" * 32), LocalKeyEncryptionKey(b"b" * 32)

    assert mine.unwrap(mine.wrap(b"k" * 32)) == b"k" * 32
    assert mine.name != other.name
    with pytest.raises(KeyUnusableError, match=other.name):
        other.unwrap(mine.wrap(b"k" * 32))


@pytest.mark.parametrize(
    "sample", [msgspec.json.decode(line, type=Sample) for line in SAMPLES.read_bytes().splitlines()]
)
def test_what_was_sealed_once_can_be_opened_for_ever(sample: Sample) -> None:
    ciphers = {sample.stream_id: AESGCM(b64decode(sample.key))}

    readable = readable_form(sample.topic, b64decode(sample.stored), sample.stream_id, sample.version, ciphers)

    assert readable.decode() == sample.readable


HOUSEHOLD = uuid4()
CLEAR, TEXT = b'{"user_id":"x"}', b'{"nickname":"Countess"}'


def sealed_elsewhere() -> bytes:
    return seal(ADA_S.cipher, CLEAR, TEXT, HOUSEHOLD, 7, "household.named", named=ADA)


def test_in_a_stream_that_is_not_the_person_s_the_form_says_whose_key_it_is() -> None:
    state = sealed_elsewhere()

    assert (subject_in(state, HOUSEHOLD), clear_part(state)) == (ADA, CLEAR)
    assert unseal_for(ADA_S.cipher, state, HOUSEHOLD, 7, "household.named") == b'{"user_id":"x","nickname":"Countess"}'
    assert without_personal(state, frozenset({"nickname"})) == b"\x00" + CLEAR
    assert b"Countess" not in state


def test_in_the_person_s_own_stream_the_form_is_what_it_always_was() -> None:
    state = seal(ADA_S.cipher, CLEAR, TEXT, ADA, 7, "household.named")

    assert (state[:1], subject_in(state, ADA)) == (b"\x01", ADA)
    assert len(state) == 1 + 2 + len(CLEAR) + 12 + len(TEXT) + 16


def test_what_is_sealed_elsewhere_is_good_for_its_own_place_and_person_only() -> None:
    state = sealed_elsewhere()

    for at in range(1, len(state)):
        changed = state[:at] + bytes([state[at] ^ 1]) + state[at + 1 :]
        with pytest.raises(SealBrokenError):
            unseal_for(ADA_S.cipher, changed, HOUSEHOLD, 7, "household.named")
    for place in ((ADA, 7, "household.named"), (HOUSEHOLD, 8, "household.named"), (HOUSEHOLD, 7, "household.left")):
        with pytest.raises(SealBrokenError):
            unseal_for(ADA_S.cipher, state, *place)
    with pytest.raises(SealBrokenError):
        unseal_for(BOB_S.cipher, state, HOUSEHOLD, 7, "household.named")


def test_a_seal_of_one_form_is_none_of_the_other() -> None:
    state = sealed_elsewhere()

    with pytest.raises(SealBrokenError):
        unseal(ADA_S.cipher, b"\x01" + state[17:], HOUSEHOLD, 7, "household.named")


@pytest.mark.parametrize("length", range(17))
def test_where_the_person_s_id_is_cut_off_nobody_is_named(length: int) -> None:
    assert subject_in(sealed_elsewhere()[:length], HOUSEHOLD) == HOUSEHOLD
