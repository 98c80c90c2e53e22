"""A user as they were, and what changed about them, at any moment: equal to the simplest fold there is."""

import asyncio
import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from application.ports import Service
from application.users.diff import ASSIGNED_BY, FIELDS, UserDiff
from application.users.queries import Moment, Users
from domain.kernel import AggregateEvent, event_types, personal_fields
from domain.users import User
from domain.values import ERASED
from infrastructure.composition import open_service
from infrastructure.log.append import append
from tests.support.histories import histories, lived
from tests.support.running import settings_in
from tests.support.sealing import new_keys
from tests.support.users import an_unverified_user

MICROSECOND = timedelta(microseconds=1)
Life = list[tuple[AggregateEvent, datetime]]


async def record(conninfo: str, home: Path, users: list[User], draw: random.Random) -> dict[UUID, Life]:
    """The users' events, in turns, many of them in one append and so in one microsecond."""
    keys = await new_keys(settings_in(home), conninfo, [user.id for user in users])
    waiting = {user.id: list(user.collect_events()) for user in users}
    lives: dict[UUID, Life] = {user.id: [] for user in users}
    async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as connection:
        while any(waiting.values()):
            size = draw.randint(1, 4)
            taken = [events[:size] for events in waiting.values() if events]
            outcomes = await append(connection, [keys.commit(few) for few in taken])
            for few, outcome in zip(taken, outcomes, strict=True):
                assert outcome.recorded_at is not None
                lives[few[0].originator_id] += [(event, outcome.recorded_at) for event in few]
            waiting = {user_id: events[size:] for user_id, events in waiting.items()}
    return {user_id: as_read(life) for user_id, life in lives.items()}


def as_read(life: Life) -> Life:
    """What can still be read of it: of somebody who was erased in the end, nothing personal."""
    if not any(isinstance(event, User.Erased) for event, _ in life):
        return life
    return [(replace(event, **dict.fromkeys(personal_fields(type(event)), ERASED)), at) for event, at in life]


def folded(events: Life) -> User | None:
    user: User | None = None
    for event, recorded_at in events:
        user = replace(event, timestamp=recorded_at).mutate(user)
    return user


def values_of(user: User | None) -> dict[str, Any]:
    """All that is compared of a user, by field; nothing of nobody."""
    if user is None:
        return {}
    consents = {f"consents.{purpose}": msgspec.to_builtins(consent) for purpose, consent in user.consents.items()}
    return {name: value(user) for name, value in FIELDS.items()} | consents


def instants_around(life: Life) -> list[datetime]:
    return [at + shift for _, at in life for shift in (-MICROSECOND, timedelta(), MICROSECOND)]


def differences(old: User | None, new: User | None) -> dict[str, tuple[Any, Any]]:
    before, after = values_of(old), values_of(new)
    return {name: (before.get(name), value) for name, value in after.items() if before.get(name) != value}


def told(diff: UserDiff | None) -> dict[str, tuple[Any, Any]]:
    assert diff is not None
    return {change.field: (change.old, change.new) for change in diff.changes}


async def check_state(service: Service, user_id: UUID, moment: Moment, past: Life) -> None:
    found = await service.using(Users).user_at(user_id, moment)
    if not past:
        assert found is None
        return
    assert found is not None
    assert (found.version, found.recorded_at) == (len(past), past[-1][1])
    assert vars(found.user) == vars(folded(past))


async def check_diff(service: Service, user_id: UUID, moments: tuple[Moment, Moment], pasts: tuple[Life, Life]) -> None:
    diff = await service.using(Users).diff(user_id, *moments)
    old, new = pasts
    if not new:
        assert diff is None
        return
    assert told(diff) == differences(folded(old), folded(new))
    assert diff is not None
    assert (diff.old.version, diff.new.version) == (len(old), len(new))
    for change in diff.changes:
        version = change.fact.event.originator_version
        before, after = (values_of(folded(new[:count])) for count in (version - 1, version))
        assert before.get(change.field) != after[change.field] == change.new
        assert all(values_of(folded(new[:count]))[change.field] == change.new for count in range(version, len(new) + 1))


def test_of_each_fact_it_is_known_what_it_assigns() -> None:
    assert set(ASSIGNED_BY) == set(event_types(User))
    assert {field for fields in ASSIGNED_BY.values() for field in fields} == set(FIELDS)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(histories(), min_size=4, max_size=4), st.integers(0, 2**32))
def test_states_and_diffs_at_a_thousand_versions_and_a_thousand_instants_equal_a_naive_fold(
    database: str, home: Path, asked: list[Any], seed: int
) -> None:
    async def check() -> None:
        draw = random.Random(seed)
        lives = await record(database, home, [lived(an_unverified_user(), asks) for asks in asked], draw)
        async with open_service(settings_in(home), database) as service:
            for _ in range(50):
                user_id, life = draw.choice(list(lives.items()))
                old, new = sorted(draw.choices(range(len(life) + 1), k=2))
                await check_state(service, user_id, Moment(version=new), life[:new])
                moments = (Moment(version=old), Moment(version=new))
                await check_diff(service, user_id, moments, (life[:old], life[:new]))
                earlier, later = sorted(draw.choices(instants_around(life), k=2))
                pasts = ([e for e in life if e[1] <= earlier], [e for e in life if e[1] <= later])
                await check_state(service, user_id, Moment(at=later), pasts[1])
                await check_diff(service, user_id, (Moment(at=earlier), Moment(at=later)), pasts)

    asyncio.run(check())
