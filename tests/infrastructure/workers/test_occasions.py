"""One look of a worker finds whatever there is to do, and nothing when there is nothing."""

from pathlib import Path
from typing import Any, NamedTuple

import psycopg

from application.read_models import READ_MODELS
from infrastructure.postgres.connections import APP_ROLE, in_role
from infrastructure.postgres.database import embedded_as
from infrastructure.postgres.logins import Login
from infrastructure.workers.occasions import Lookout, Occasion
from tests.support.running import settings_in, worker
from tests.support.waiting import eventually

O = Occasion  # noqa: E741 - the table below is easier to read


class Thing(NamedTuple):
    """Something that happens, what the next look finds, and what all looks find from then on until it is done."""

    statement: str
    found: set[Occasion]
    then: set[Occasion]


A_LETTER = """
INSERT INTO projection.letter (id, name, generation, stream_id, position, topic, error, wish)
VALUES (gen_random_uuid(), 'user_directory', 1, gen_random_uuid(), 1, 'user.registered', 'KeyError', 'retry')
"""
AN_ERASURE = "INSERT INTO keys.erasure (subject_id, position, recorded_at) VALUES (gen_random_uuid(), 1, now())"
A_MAIL = "INSERT INTO projection.undelivered_mail (position, answer, next_attempt_at) VALUES (1, '450', now())"
A_REBUILD = "INSERT INTO projection.rebuild (id, name) VALUES (gen_random_uuid(), 'user_directory')"
LATER_MAIL = A_MAIL.replace("now()", "now() + interval '1 hour'")
ENDED_REBUILD = A_REBUILD.replace("(id, name)", "(id, name, state)").replace("'user_directory'", "'a', 'failed'")
BEHIND = "UPDATE projection.segment SET position = position - 1 WHERE name = 'user_directory'"
RETIRED = "UPDATE projection.generation SET state = 'retired' WHERE name = 'user_directory'"
MOVED = "UPDATE log.head SET position = position + 1"
WAITING = {O.FOLLOWING, O.MAIL, O.SEALING}
THINGS = (
    Thing(A_LETTER, {O.FOLLOWING}, {O.FOLLOWING}),
    Thing(BEHIND, {O.FOLLOWING}, {O.FOLLOWING}),
    Thing("UPDATE projection.pace SET per_second = 7", {O.FOLLOWING}, {O.FOLLOWING}),
    Thing("DELETE FROM projection.pace", {O.FOLLOWING}, {O.FOLLOWING}),
    Thing(A_REBUILD, {O.REBUILD}, {O.REBUILD}),
    Thing(ENDED_REBUILD, set(), set()),
    Thing("UPDATE projection.mail_mark SET position = position - 1", {O.MAIL}, {O.MAIL}),
    Thing(A_MAIL, {O.MAIL}, {O.MAIL}),
    Thing(LATER_MAIL, set(), set()),
    Thing("UPDATE audit.sealed SET size = size - 1", {O.SEALING}, {O.SEALING}),
    Thing(AN_ERASURE, {O.SWEEPING}, {O.SWEEPING}),
    Thing(MOVED, {O.LOG, *WAITING}, WAITING),
    Thing(RETIRED, set(O), set()),
    Thing("DELETE FROM projection.generation", set(O), set()),
)


def test_a_look_finds_what_there_is_to_do_as_long_as_it_is_there(history: str, home: Path) -> None:
    app = in_role(embedded_as(Login.WORKER, history), APP_ROLE)
    lookout = Lookout(READ_MODELS)
    with worker(settings_in(home), history), psycopg.connect(app, autocommit=True) as connection:
        assert lookout.look(connection) == set(O), "everything, the first time"
        eventually(lambda: not lookout.look(connection), "nothing is left to do")

    with psycopg.connect(history, autocommit=True) as owner:
        for thing in THINGS:
            assert _looks(owner, thing) == [set(), thing.found, thing.then], thing.statement


def _looks(owner: psycopg.Connection[Any], thing: Thing) -> list[set[Occasion]]:
    lookout = Lookout(READ_MODELS)
    lookout.look(owner)
    with owner.transaction(force_rollback=True):
        before = lookout.look(owner)
        owner.execute(thing.statement.encode())
        return [before, lookout.look(owner), lookout.look(owner)]
