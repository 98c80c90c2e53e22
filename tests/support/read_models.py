"""People with a past, and the rows that read models ought to have of them."""

import asyncio
import random
import uuid
from typing import Any

from psycopg import sql

from application.access_records.recording import Accesses, Reader
from application.actors import Actor, Role
from application.ports import Service
from application.projections.definition import Projection
from application.users.change_profile import ChangeProfile, ProfilePatch, change_profile
from application.users.register_user import register_user
from application.users.request_deletion import RequestDeletion, request_deletion
from application.users.suspend_user import SuspendUser, suspend_user
from domain.access_records.access_record import Reading
from infrastructure.log.reader import Wanted, read_range
from infrastructure.postgres.connections import as_projector
from infrastructure.projections.columns import SCHEMA, table_name
from infrastructure.projections.generations import add_generation, live_generation
from infrastructure.projections.rebuild.filling import fill_part
from infrastructure.projections.rebuild.parts import parts, plan
from tests.support.running import context, projector, registration


async def make_history(service: Service, people: int, prefix: str = "user") -> list[uuid.UUID]:
    """People with a varied past, and staff who have looked at them: that is on record when the service has closed."""
    draw = random.Random(prefix)

    async def live(number: int) -> uuid.UUID:
        facts = registration(f"{prefix}{number}", country=draw.choice(["SE", "DE", "FR"]))
        user_id = (await service.commands.run(register_user, facts, context())).aggregate_id
        for step in range(draw.randrange(4)):
            patch = ProfilePatch(display_name=f"Name {step}", country=draw.choice(["NO", "DK"]))
            await service.commands.run(change_profile, ChangeProfile(user_id=user_id, patch=patch), context())
        if draw.random() < 0.2:
            await service.commands.run(suspend_user, SuspendUser(user_id=user_id, reason="fraud"), context())
        if number % 10 == 7:
            await service.commands.run(request_deletion, RequestDeletion(user_id=user_id), context())
        return user_id

    lived = list(await asyncio.gather(*(live(number) for number in range(people))))
    for number, reader in enumerate(Actor(Role.SUPPORT, f"{prefix}-agent-{each}") for each in range(people)):
        service.using(Accesses).note(
            Reader(reader), draw.choice(list(Reading)), lived[number : number + draw.randrange(1, 4)]
        )
    return lived


def filled(conninfo: str, model: Projection[Any], count: int = 1) -> int:
    """A new generation that is filled from the whole log, in so many parts."""
    with projector(conninfo) as connection, connection.transaction():
        pieces = parts(connection, model, head_of(conninfo), count)
        generation = add_generation(connection, model, "building")
        plan(connection, model.name, generation, pieces)
    for part in pieces:
        fill_part(as_projector(conninfo), model, generation, part, lambda _: None)
    return generation


def rows_of(conninfo: str, model: Projection[Any], generation: int | None = None) -> list[Any]:
    with projector(conninfo) as connection:
        if generation is None:
            live = live_generation(connection, model.name)
            assert live is not None
            generation = live.generation
        table = sql.Identifier(SCHEMA, table_name(model.name, generation))
        query = sql.SQL("SELECT * FROM {} ORDER BY {}").format(table, sql.Identifier(model.key_column))
        return connection.execute(query).fetchall()


def replayed_rows(conninfo: str, model: Projection[Any], upto: int = 10**9) -> list[Any]:
    """The rows that the definition comes to, folded in the simplest way, without the engine."""
    with projector(conninfo) as connection:
        rows: dict[Any, Any] = {}
        for recorded in read_range(connection, 0, upto, Wanted(topics=model.topics)):
            rows[model.key(recorded)] = model.fold(rows.get(model.key(recorded)), recorded)
    kept = [row for row in rows.values() if row is not None]
    return sorted(tuple(getattr(row, name) for name in row.__struct_fields__) for row in kept)


def people_whose_rows_differ(conninfo: str, model: Projection[Any]) -> set[uuid.UUID]:
    """Between the live generation and a fresh replay: rows that are in one of the two only."""
    fresh = filled(conninfo, model)
    with projector(conninfo) as connection:
        live = live_generation(connection, model.name)
        assert live is not None
        tables = [sql.Identifier(SCHEMA, table_name(model.name, number)) for number in (live.generation, fresh)]
        query = sql.SQL(
            "SELECT user_id FROM ((TABLE {0} EXCEPT ALL TABLE {1}) UNION ALL (TABLE {1} EXCEPT ALL TABLE {0})) d"
        )
        return {user_id for (user_id,) in connection.execute(query.format(*tables))}


def head_of(conninfo: str) -> int:
    with projector(conninfo) as connection:
        row = connection.execute('SELECT "position" FROM log.head').fetchone()
        assert row is not None
        return int(row[0])
