"""The claims key is replaced while everything goes on, and no address ever has two holders."""

import asyncio
import threading
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from application.unreadable import HistoryUnreadableError
from domain.values import EmailAddress
from infrastructure.composition import open_commands
from infrastructure.postgres.connections import APP_ROLE, in_role
from infrastructure.secrets.keyring import SecretMissingError
from infrastructure.users.claims.claim_ids import ClaimIds
from infrastructure.users.claims.key_in_force import ClaimsKeyForeignError
from infrastructure.users.claims.rotation import ClaimsDifferError, ClaimsRotated, rotate_claims
from tests.support.claims_town import (
    AFTER,
    BEFORE,
    DURING,
    NEW,
    OLD,
    Keys,
    Town,
    asking_for,
    confirming,
    erasing,
    register_all,
    registering,
)
from tests.support.damage import damage

OTHER = b"x" * 32


def named(keys: Keys) -> str:
    return "+".join(key[:1].decode() for key in keys)


@pytest.fixture
def town(database: str, tmp_path: Path) -> Town:
    return Town(database, tmp_path)


@pytest.mark.parametrize(
    ("one", "other"), [(BEFORE, BEFORE), (BEFORE, DURING), (DURING, BEFORE), (DURING, DURING)], ids=named
)
def test_an_address_has_one_holder_before_and_while_the_key_is_replaced(town: Town, one: Keys, other: Keys) -> None:
    ada = town.in_a(one, registering("ada"))

    assert town.in_a(other, registering("ADA")) is None
    assert town.in_a(one, registering("Ada")) is None
    assert town.claim(OLD, "ada@example.com").holder == ada


@pytest.mark.parametrize(("one", "other"), [(DURING, AFTER), (AFTER, DURING), (AFTER, AFTER)], ids=named)
def test_an_address_has_one_holder_when_the_key_is_replaced(town: Town, one: Keys, other: Keys) -> None:
    ada = town.in_a(BEFORE, registering("ada"))
    town.rotate()
    eve = town.in_a(one, registering("eve"))

    assert [town.in_a(keys, registering(name)) for keys in (one, other) for name in ("ADA", "EVE")] == [None] * 4
    assert town.claim(NEW, "ada@example.com").holder == ada
    assert town.claim(NEW, "eve@example.com").holder == eve


class Abreast:
    """Lets a rotation go on only as fast as others do something meanwhile."""

    def __init__(self) -> None:
        self._done = threading.Semaphore(0)

    async def each(self, doings: Iterable[Awaitable[Any]]) -> list[Any]:
        async def one(doing: Awaitable[Any]) -> Any:
            try:
                return await doing
            finally:
                self._done.release()

        return await asyncio.gather(*map(one, doings))

    def wait(self, _: int, __: int) -> None:
        self._done.acquire(timeout=5)


def rotated_meanwhile(town: Town, load: Callable[[Abreast], Coroutine[Any, Any, None]]) -> ClaimsRotated:
    abreast = Abreast()
    thread = threading.Thread(target=lambda: asyncio.run(load(abreast)))
    thread.start()
    try:
        return town.rotate(abreast.wait)
    finally:
        thread.join()


def test_processes_that_race_with_it_give_no_address_to_two(town: Town) -> None:
    names = [f"user{number}" for number in range(120)]
    early = [user for user in town.in_a(BEFORE, lambda process: register_all(process, names[::4])) if user]
    late: list[list[Any]] = []

    async def load(abreast: Abreast) -> None:
        async with town.processes(DURING, DURING, DURING) as processes:
            wanting = (abreast.each(registering(name)(each) for name in names) for each in processes)
            late.extend(await asyncio.gather(*wanting))

    rotated = rotated_meanwhile(town, load)

    holders = [[user for user in found if user] for found in zip(*late, strict=True)]
    assert [len(found) for found in holders] == [0, 1, 1, 1] * 30
    assert rotated.recorded == len(early)
    assert town.in_a(AFTER, lambda process: register_all(process, names)) == [None] * 120
    assert town.claim(NEW, "user0@example.com").holder == early[0]
    assert [town.claim(NEW, "user1@example.com").holder] == holders[1]


def test_whoever_is_erased_in_the_middle_of_it_holds_nothing_afterwards(town: Town) -> None:
    names = [f"user{number}" for number in range(60)]
    people = town.in_a(BEFORE, lambda process: register_all(process, names))

    async def load(abreast: Abreast) -> None:
        async with town.processes(DURING) as (process,):
            await abreast.each(erasing(user)(process) for user in people)

    rotated_meanwhile(town, load)

    assert None not in town.in_a(AFTER, lambda process: register_all(process, names))


def test_what_is_recorded_says_the_same_under_both_keys(town: Town) -> None:
    ada = town.in_a(DURING, registering("ada"))
    town.in_a(DURING, asking_for(ada, "first"))
    token = town.in_a(DURING, asking_for(ada, "second"))
    reserved = [town.claim(key, "second@example.com").reserved_until for key in DURING]
    town.in_a(DURING, confirming(token))

    found = [[town.claim(key, f"{n}@example.com").holder for n in ("ada", "first", "second")] for key in DURING]
    assert found == [[None, None, ada]] * 2
    assert reserved[0] == reserved[1] is not None
    assert town.rotate().recorded == 0


def test_one_that_was_broken_off_is_gone_on_with(town: Town) -> None:
    names = [f"user{number}" for number in range(40)]
    town.in_a(BEFORE, lambda process: register_all(process, names))

    def stop(done: int, _: int) -> None:
        if done >= 40:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        town.rotate(stop)
    half = sum(town.claim(NEW, f"{name}@example.com").holder is not None for name in names)
    assert 0 < half < 40
    assert town.in_force == ClaimIds(OLD).fingerprint

    assert town.rotate().recorded == 40 - half
    assert town.in_force == ClaimIds(NEW).fingerprint
    assert town.in_a(AFTER, lambda process: register_all(process, names)) == [None] * 40


def test_doing_it_again_records_nothing(town: Town) -> None:
    town.in_a(BEFORE, lambda process: register_all(process, ["ada", "eve"]))
    town.rotate()
    facts = town.facts

    assert town.rotate().recorded == 0
    assert town.facts == facts


def test_it_goes_on_record_as_what_the_system_did(town: Town) -> None:
    town.in_a(BEFORE, registering("ada"))

    town.rotate()

    assert town.facts[-1] == ("email_claim.claimed", ClaimIds(NEW).of(EmailAddress("ada@example.com")), "system:keys")


def test_a_reserved_address_stays_reserved_and_can_be_confirmed_afterwards(town: Town) -> None:
    ada = town.in_a(BEFORE, registering("ada"))
    token = town.in_a(BEFORE, asking_for(ada, "wanted"))
    town.rotate()

    assert town.in_a(AFTER, registering("wanted")) is None
    town.in_a(AFTER, confirming(token))

    assert town.claim(NEW, "wanted@example.com").reserved_until is None
    assert town.in_a(AFTER, registering("wanted")) is None
    assert town.in_a(AFTER, registering("ada")) is not None


def test_when_the_old_key_is_gone_everything_goes_on(town: Town) -> None:
    ada, eve = (town.in_a(BEFORE, registering(name)) for name in ("ada", "eve"))
    town.rotate()

    token = town.in_a(AFTER, asking_for(ada, "lovelace"))
    town.in_a(AFTER, confirming(token))
    town.in_a(AFTER, erasing(eve))

    assert town.in_a(AFTER, registering("lovelace")) is None
    assert [town.in_a(AFTER, registering(name)) is not None for name in ("ada", "eve")] == [True, True]


@pytest.mark.parametrize("keys", [BEFORE, DURING], ids=named)
def test_addresses_of_people_who_were_erased_are_free_afterwards(town: Town, keys: Keys) -> None:
    ada = town.in_a(DURING, registering("ada"))
    town.in_a(DURING, asking_for(ada, "wanted"))
    town.in_a(keys, erasing(ada))

    town.rotate()

    assert [town.in_a(AFTER, registering(name)) is not None for name in ("ada", "wanted")] == [True, True]


def test_an_address_that_somebody_had_before_is_free_afterwards(town: Town) -> None:
    ada = town.in_a(DURING, registering("ada"))
    town.in_a(BEFORE, confirming(town.in_a(BEFORE, asking_for(ada, "lovelace"))))

    town.rotate()

    assert town.in_a(AFTER, registering("ada")) is not None
    assert town.in_a(AFTER, registering("lovelace")) is None


def test_a_process_that_has_both_keys_believes_the_one_that_took_over(town: Town) -> None:
    ada = town.in_a(BEFORE, registering("ada"))
    town.rotate()
    town.in_a(AFTER, erasing(ada))
    eve = town.in_a(AFTER, registering("ada"))

    town.in_a(DURING, erasing(eve))

    assert town.in_a(AFTER, registering("ada")) is not None


def test_a_process_without_the_next_key_is_noticed(town: Town) -> None:
    town.in_a(BEFORE, registering("ada"))
    strangers: list[Any] = []

    def meanwhile(done: int, total: int) -> None:
        if done == total and not strangers:
            thread = threading.Thread(target=lambda: strangers.append(town.in_a(BEFORE, registering("eve"))))
            thread.start()
            thread.join()

    with pytest.raises(ClaimsDifferError, match=r"^1 claims are not"):
        town.rotate(meanwhile)

    assert town.in_force == ClaimIds(OLD).fingerprint
    assert town.rotate().recorded == 1
    assert town.claim(NEW, "eve@example.com").holder == strangers[0]


def test_a_process_without_the_next_key_that_erases_somebody_is_noticed(town: Town) -> None:
    ada = town.in_a(BEFORE, registering("ada"))
    erased: list[Any] = []

    def meanwhile(done: int, total: int) -> None:
        if done == total and not erased:
            thread = threading.Thread(target=lambda: erased.append(town.in_a(BEFORE, erasing(ada))))
            thread.start()
            thread.join()

    with pytest.raises(ClaimsDifferError, match=r"^1 claims are not"):
        town.rotate(meanwhile)

    assert town.rotate().released == 1
    assert town.in_a(AFTER, registering("ada")) is not None


def test_without_a_next_key_there_is_nothing_to_rotate_to(town: Town) -> None:
    with pytest.raises(SecretMissingError, match="REPRISE_NEXT_CLAIMS_KEY"):
        asyncio.run(rotate_claims(town.settings(BEFORE), town.conninfo, open_commands))


@pytest.mark.parametrize("keys", [(OTHER,), (OTHER, b"y" * 32), AFTER], ids=named)
def test_a_process_with_another_key_does_not_start(town: Town, keys: Keys) -> None:
    town.in_a(BEFORE, registering("ada"))

    with pytest.raises(ClaimsKeyForeignError, match=ClaimIds(OLD).fingerprint):
        town.in_a(keys, registering("ada"))


def test_a_process_with_the_former_key_alone_does_not_start_afterwards(town: Town) -> None:
    town.in_a(BEFORE, registering("ada"))
    town.rotate()

    with pytest.raises(ClaimsKeyForeignError, match=ClaimIds(NEW).fingerprint):
        town.in_a(BEFORE, registering("eve"))


def test_of_two_first_processes_one_has_its_key_adopted(town: Town) -> None:
    async def start(key: bytes) -> bytes | None:
        try:
            async with town.processes((key,)):
                return key
        except ClaimsKeyForeignError:
            return None

    async def both() -> list[bytes | None]:
        return list(await asyncio.gather(start(OLD), start(OTHER)))

    started = [key for key in asyncio.run(both()) if key]

    assert [ClaimIds(key).fingerprint for key in started] == [town.in_force]


def test_a_process_cannot_put_another_key_in_force(town: Town) -> None:
    town.in_a(BEFORE, registering("ada"))

    with (
        psycopg.connect(in_role(town.conninfo, APP_ROLE)) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("UPDATE keys.claims_key SET fingerprint = 'mine'")


UNREADABLE_FACTS = ["a payload of garbage", "a garbled ciphertext first", "a missing key"]


def with_somebody_unreadable(town: Town, what: str) -> uuid.UUID:
    """Ada and Eve are there, and what Eve said at first cannot be read any more."""
    town.in_a(BEFORE, registering("ada"))
    eve: uuid.UUID = town.in_a(BEFORE, registering("eve"))
    damage(town.conninfo, str(eve), what)
    return eve


@pytest.mark.parametrize("what", UNREADABLE_FACTS)
def test_somebody_whose_address_cannot_be_read_ends_it_and_is_named(town: Town, what: str) -> None:
    eve = with_somebody_unreadable(town, what)

    with pytest.raises(HistoryUnreadableError) as caught:
        town.rotate()

    assert (caught.value.stream_id, caught.value.version) == (eve, 1)
    assert town.in_a(BEFORE, registering("EVE")) is None


@pytest.mark.parametrize("what", UNREADABLE_FACTS)
def test_somebody_who_could_not_be_read_and_is_erased_holds_nothing_up(town: Town, what: str) -> None:
    eve = with_somebody_unreadable(town, what)
    town.in_a(BEFORE, erasing(eve))

    town.rotate()

    assert town.claim(NEW, "ada@example.com").holder is not None
    assert town.in_a(AFTER, registering("ADA")) is None
    assert town.in_a(AFTER, registering("eve")) is not None
