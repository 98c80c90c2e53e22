"""Appends alone: commits that were made before, sent through the group commit of one process."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from uuid import UUID

import psycopg
import uvloop

from application.actors import Metadata
from application.commands import CommandKey
from benchmarks.in_process import ACTOR, CALLERS, REGISTRATIONS_FOR_THREE_CHANGES, CommandsRun
from benchmarks.laboratory import Town
from benchmarks.latencies import latencies
from benchmarks.sealing import key_of
from domain.ids import uuid7
from domain.kernel import AggregateEvent
from domain.users import User
from domain.users.email_claim import EmailClaim
from domain.users.values import DisplayName
from domain.values import Country, EmailAddress
from infrastructure.encryption.master_keys import MasterKeys
from infrastructure.encryption.subject_keys import SubjectKey, new_subject_key
from infrastructure.log.append import Commit, OutcomeKind
from infrastructure.log.commit_keys import CommitKeys
from infrastructure.log.group_commit import GroupCommit
from infrastructure.postgres.connections import as_app

INSTANT = datetime(2026, 1, 1, tzinfo=UTC)
"""What events carry until they are recorded; it is not stored."""


class RefusedError(Exception):
    """An append that cannot be refused was."""


class Writers:
    """Users to be changed, drawn anew for each round from all there are."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self._changes: Counter[int] = Counter()

    def draw(self, count: int) -> list[tuple[int, int]]:
        """So many users, each once: the number and the version that the next change will have."""
        population = self.town.population
        drawn = random.sample(range(population.users), min(count, population.users))
        self._changes.update(drawn)
        return [(number, population.last_version + self._changes[number]) for number in drawn]


def append(writers: Writers, changes: int) -> CommandsRun:
    """Change so many users, and register two others for each three."""
    commits = list(_commits(writers, changes))
    # As the server does it.
    return uvloop.run(_append(as_app(writers.town.conninfo), commits))


async def _append(conninfo: str, commits: Sequence[Commit]) -> CommandsRun:
    durations: list[float] = []

    async def call(group: GroupCommit, mine: Sequence[Commit]) -> None:
        for commit in mine:
            begin = time.perf_counter()
            outcome = await group.commit(commit)
            if outcome.kind is not OutcomeKind.APPENDED:
                raise RefusedError(outcome.kind)
            durations.append(time.perf_counter() - begin)

    async with GroupCommit(conninfo) as group:
        begin = time.perf_counter()
        await asyncio.gather(*(call(group, commits[number::CALLERS]) for number in range(CALLERS)))
        taken = time.perf_counter() - begin
    events = sum(len(commit.events) for commit in commits)
    return CommandsRun(seconds=taken, commands=len(commits), events=events, milliseconds=latencies(durations))


def _commits(writers: Writers, changes: int) -> Iterator[Commit]:
    masters = MasterKeys()
    with psycopg.connect(writers.town.conninfo) as connection:
        masters.load_now(connection)
    for turn, (number, version) in enumerate(writers.draw(changes)):
        user_id = writers.town.population.user_id(number)
        yield _commit(key_of(user_id), _renaming(user_id, version))
        if turn % 3 < REGISTRATIONS_FOR_THREE_CHANGES:
            registered, claimed = _registration()
            yield _commit(new_subject_key(registered.originator_id, masters), registered, claimed)


def _commit(subject_key: SubjectKey, *events: AggregateEvent) -> Commit:
    command_id = uuid7()
    key = CommandKey(command_id.bytes * 2, command_id.bytes * 2)
    metadata = Metadata(command_id=command_id, actor=ACTOR, trace_id=command_id.bytes)
    return Commit(metadata=metadata, events=events, result=bytes(20), key=key, keys=CommitKeys.of_one(subject_key))


def _renaming(user_id: UUID, version: int) -> AggregateEvent:
    return User.DisplayNameChanged(
        originator_id=user_id, originator_version=version, timestamp=INSTANT, display_name=DisplayName("Someone Else")
    )


def _registration() -> tuple[AggregateEvent, AggregateEvent]:
    user_id, claim_id = uuid7(), uuid7()
    registered = User.Registered(
        originator_id=user_id,
        originator_version=1,
        timestamp=INSTANT,
        originator_topic=User.TOPIC,
        email=EmailAddress(f"{user_id.hex}@example.com"),
        display_name=DisplayName("Ingrid Andersson"),
        country=Country("SE"),
    )
    claimed = EmailClaim.Claimed(originator_id=claim_id, originator_version=1, timestamp=INSTANT, user_id=user_id)
    return registered, claimed
