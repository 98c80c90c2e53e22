"""The master key is replaced while everything goes on, and the old one is good for nothing afterwards."""

import asyncio
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from application.ports import Service
from application.privacy.erase_user import EraseUser, erase_user
from application.unit_of_work import Saved
from application.users.change_profile import ChangeProfile, ProfilePatch, change_profile
from application.users.queries import Moment, Users
from application.users.register_user import register_user
from domain.values import ERASED
from infrastructure.composition import open_service
from infrastructure.encryption.key_encryption import KeyUnusableError
from infrastructure.encryption.keychain import key_encryption_key, next_key_encryption_key
from infrastructure.encryption.master_keys import master_cipher
from infrastructure.encryption.rotation import Rotated, RotationUnderWayError, rotate_master_key
from infrastructure.encryption.subject_keys import unwrap
from infrastructure.settings import Settings
from tests.support.read_models import make_history
from tests.support.running import context, registration, settings_in


def rotate(conninfo: str, settings: Settings, settle: Callable[[float], None] = lambda _: None) -> Rotated:
    key = next_key_encryption_key(settings) or key_encryption_key(settings)
    with psycopg.connect(conninfo, autocommit=True) as owner:
        return rotate_master_key(owner, key, settle=settle)


def masters_of(conninfo: str) -> list[tuple[int, int]]:
    """Each master key, and how many keys it wraps."""
    with psycopg.connect(conninfo) as owner:
        return owner.execute(
            "SELECT m.id, count(k.subject_id) FROM keys.master_key m "
            "LEFT JOIN keys.subject_key k ON k.master_id = m.id GROUP BY m.id ORDER BY m.id"
        ).fetchall()


def wrapped_keys(conninfo: str) -> list[tuple[uuid.UUID, bytes]]:
    with psycopg.connect(conninfo) as owner:
        return owner.execute("SELECT subject_id, wrapped FROM keys.subject_key WHERE wrapped IS NOT NULL").fetchall()


def log_of(conninfo: str) -> list[Any]:
    with psycopg.connect(conninfo) as owner:
        return owner.execute('SELECT "position", state FROM log.event ORDER BY "position"').fetchall()


def test_every_key_is_wrapped_anew_and_the_log_stays(history: str, home: Path) -> None:
    (old, count), log = masters_of(history)[0], log_of(history)

    rotated = rotate(history, settings_in(home))

    assert masters_of(history) == [(rotated.master_key, count)]
    assert (rotated.keys, rotated.removed) == (count, 1)
    assert rotated.master_key > old
    assert log_of(history) == log


def test_the_old_master_key_opens_nothing_any_more(history: str, home: Path) -> None:
    old = master_cipher(masters_of(history)[0][0])
    assert old is not None
    assert all(unwrap(old, who, wrapped) for who, wrapped in wrapped_keys(history))

    rotate(history, settings_in(home))

    for who, wrapped in wrapped_keys(history):
        with pytest.raises(KeyUnusableError):
            unwrap(old, who, wrapped)


async def live(service: Service, number: int, answers: list[Any]) -> None:
    """Register, change, read: one person's share of the load."""
    try:
        user_id = (await service.commands.run(register_user, registration(f"load{number}"), context())).aggregate_id
        patch = ProfilePatch(display_name=f"Load {number}")
        answers.append(
            await service.commands.run(change_profile, ChangeProfile(user_id=user_id, patch=patch), context())
        )
        state = await service.using(Users).user_at(user_id, Moment(version=2))
        assert state is not None
        answers.append(state.user.display_name == f"Load {number}")
    except Exception as error:  # noqa: BLE001 - every failure counts
        answers.append(error)


def test_no_request_fails_while_it_goes_on(history: str, home: Path) -> None:
    answers: list[Any] = []
    rotations: list[Rotated] = []
    stop = threading.Event()

    async def load() -> None:
        async with (
            open_service(settings_in(home), history) as service,
            open_service(settings_in(home), history) as other,
        ):
            number = 0
            while not stop.is_set():
                both = [live(each, number + place, answers) for place, each in enumerate((service, other) * 4)]
                await asyncio.gather(*both)
                number += len(both)

    thread = threading.Thread(target=lambda: asyncio.run(load()))
    thread.start()
    try:
        # Nobody is given the time to look: whoever wraps with the old key is refused and does it again.
        while len(answers) < 60:
            rotations.append(rotate(history, settings_in(home)))
    finally:
        stop.set()
        thread.join()

    assert len(rotations) > 2
    assert [answer for answer in answers if not isinstance(answer, Saved) and answer is not True] == []
    assert [master_id for master_id, _ in masters_of(history)] == [rotations[-1].master_key]


def interrupted(conninfo: str, settings: Settings, after: int) -> None:
    def stop(done: int, _: int) -> None:
        if done >= after:
            raise KeyboardInterrupt

    with psycopg.connect(conninfo, autocommit=True) as owner, pytest.raises(KeyboardInterrupt):
        rotate_master_key(owner, key_encryption_key(settings), stop, settle=lambda _: None, piece=10)


def test_a_rotation_that_was_broken_off_is_gone_on_with(history: str, home: Path) -> None:
    count = masters_of(history)[0][1]
    interrupted(history, settings_in(home), after=20)
    (_, left), (new, done) = masters_of(history)
    assert (left, done) == (count - 20, 20)

    rotated = rotate(history, settings_in(home))

    assert (rotated.master_key, rotated.keys) == (new, count - 20)
    assert masters_of(history) == [(new, count)]


def test_somebody_who_is_erased_meanwhile_stays_erased(history: str, home: Path) -> None:
    interrupted(history, settings_in(home), after=10)
    who = [subject for subject, _ in wrapped_keys(history) if subject.int]

    async def erase() -> list[Any]:
        async with open_service(settings_in(home), history) as service:
            for user_id in (who[0], who[-1]):
                await service.commands.run(erase_user, EraseUser(user_id=user_id), context())
            rotate(history, settings_in(home))
            states = [await service.using(Users).user_at(user_id, Moment(version=1)) for user_id in (who[0], who[-1])]
            return [state.user.display_name for state in states if state]

    assert asyncio.run(erase()) == [ERASED, ERASED]


def test_only_one_rotates_at_a_time(history: str, home: Path) -> None:
    def meanwhile(_: float) -> None:
        with pytest.raises(RotationUnderWayError):
            rotate(history, settings_in(home))

    rotate(history, settings_in(home), settle=meanwhile)


@pytest.fixture
def next_key(tmp_path: Path) -> Path:
    path = tmp_path / "next.key"
    path.write_bytes(b"n" * 32)
    return path


def test_another_key_encryption_key_takes_over(history: str, home: Path, next_key: Path) -> None:
    both = settings_in(home, REPRISE_NEXT_KEY_ENCRYPTION_KEY_FILE=str(next_key))

    async def before_and_after() -> list[Any]:
        async with open_service(both, history) as service:
            people = await make_history(service, 3, "late")
            rotate(history, both)
            await make_history(service, 3, "later")
            return [await service.using(Users).user(people[0])]

    assert asyncio.run(before_and_after())[0][0] is not None
    with psycopg.connect(history) as owner:
        names = owner.execute("SELECT key_encryption_key FROM keys.master_key").fetchall()
    new = next_key_encryption_key(both)
    assert new is not None
    assert names == [(new.name,)]
    assert key_encryption_key(settings_in(home, REPRISE_KEY_ENCRYPTION_KEY_FILE=str(next_key))).name == new.name
