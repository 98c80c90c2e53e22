"""An upgrade from the last release: read models are made again by themselves, and nothing else changes.

The sample was made by that release: a database with 174 events, read models, checkpoints, and the keys of its home.
"""

import gzip
import shutil
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from application.read_models import READ_MODELS
from infrastructure.postgres.database import embedded_as, migrate_embedded
from infrastructure.postgres.logins import Login
from infrastructure.replay import open_log
from tests.support.cli import CommandLine
from tests.support.read_models import replayed_rows, rows_of
from tests.support.running import settings_in, worker
from tests.support.waiting import eventually

SAMPLE = Path(__file__).parents[2] / "samples" / "upgrade"
ROLES = ("reprise_app", "reprise_projector", "reprise_sealer")
EVENTS = 174
LOG = 'SELECT md5(string_agg(e::text, E\'\\n\' ORDER BY "position")) FROM log.event e WHERE "position" <= 174'
KEYS = "SELECT md5(string_agg(k::text, E'\\n' ORDER BY subject_id)) FROM keys.subject_key k"
TREE = "SELECT md5(string_agg(t::text, E'\\n' ORDER BY t::text)) FROM audit.tile t"
CHECKPOINTS = "SELECT md5(string_agg(c::text, E'\\n' ORDER BY size)) FROM audit.checkpoint c WHERE size <= 174"
GENERATIONS = "SELECT name, generation, version FROM projection.standing WHERE state = 'live' ORDER BY name"


@pytest.fixture
def old(empty_database: str, home: Path) -> str:
    """The database that the last release left, and its keys; with roles of its own on this server."""
    shutil.copytree(SAMPLE / "keys", home / "keys")
    for path in (home / "keys").iterdir():
        path.chmod(0o600)
    (home / "keys").chmod(0o700)
    suffix = f"_{conninfo_to_dict(empty_database)['dbname']}"
    script = gzip.decompress((SAMPLE / "database.sql.gz").read_bytes()).decode()
    with psycopg.connect(empty_database, autocommit=True) as owner:
        for role in ROLES:
            owner.execute(f"CREATE ROLE {role}{suffix}")
            script = script.replace(role, role + suffix)
        owner.execute(script)
    return empty_database


def state(conninfo: str) -> list[Any]:
    """What an upgrade must leave as it is."""
    with psycopg.connect(conninfo) as owner:
        return [owner.execute(query).fetchone() for query in (LOG, KEYS, TREE, CHECKPOINTS)]


def generations(conninfo: str) -> dict[str, tuple[int, int]]:
    with psycopg.connect(conninfo) as owner:
        return {name: (generation, version) for name, generation, version in owner.execute(GENERATIONS)}


def test_an_upgrade_makes_read_models_again_by_itself_and_changes_nothing_else(old: str, home: Path) -> None:
    before, rows = state(old), generations(old)
    settings = settings_in(home, REPRISE_DATABASE_URL=embedded_as(Login.API, old))

    migrate_embedded(old)
    with worker(settings, old):
        versions = {name: model.version for name, model in READ_MODELS.items()}
        eventually(
            lambda: {name: version for name, (_, version) in generations(old).items()} == versions,
            "the read models to be of this release",
        )

    now = generations(old)
    assert state(old) == before
    assert {name for name in rows if now[name] != rows[name]} == {
        name for name, (_, version) in rows.items() if version != READ_MODELS[name].version
    }
    for model in READ_MODELS.values():
        assert sorted(rows_of(old, model)) == sorted(replayed_rows(old, model))
    with open_log(settings) as log:
        assert len(list(log.facts(upto=EVENTS))) == EVENTS
    verified = CommandLine(home, old).call("audit", "verify", "--json")
    assert (verified.code, verified.json["events"] >= EVENTS) == (0, True), verified.err
