"""A database that can be reached, but takes nothing: nobody is told that all is well, and nothing is lost."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from infrastructure.postgres.database import OLDEST_VERSION, migrate_embedded
from tests.support.api import Api, a_person, refusal
from tests.support.installed_server import NOBODY, installation_of, installed_server
from tests.support.processes import serving_process
from tests.support.running import follow_to_head, settings_in
from tests.support.waiting import eventually

FULL = Path("/dev/full")
"""Where there is never any room: Linux has it."""


def set_read_only(conninfo: str, wanted: str) -> None:
    """Have all sessions begin anew, as a switch to another server does."""
    with psycopg.connect(conninfo, autocommit=True, options="-c default_transaction_read_only=off") as connection:
        name = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = {}").format(name, wanted))
        connection.execute(
            "SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def faults(api: Api) -> dict[str, str]:
    """The failed checks of readiness."""
    answer = api.with_token(None).get("/readyz")
    return {check["name"]: check["failure"] for check in answer.json()["checks"] if not check["ok"]}


def readings_on_record(conninfo: str) -> int:
    with psycopg.connect(conninfo) as connection:
        row = connection.execute("SELECT count(*) FROM log.event WHERE topic = 'access_record.people_read'").fetchone()
    return row[0] if row else 0


@pytest.mark.long
def test_while_the_database_is_read_only_commands_are_refused_and_records_wait(database: str, home: Path) -> None:
    """The log of the process, where each vain attempt is told, is on a full disk besides."""
    follow_to_head(database)
    with serving_process(settings_in(home), database, log=FULL if FULL.exists() else None) as api:
        user = api.register().headers["location"]
        assert faults(api) == {}
        set_read_only(database, "on")

        eventually(lambda: faults(api) == {"log": "read_only"}, "the service not to be ready")
        assert api.admin.get(user, headers={"Reprise-Purpose": "case 17"}).status_code == 200
        refused = api.admin.patch(user, json={"displayName": "Ada King"})
        assert refusal(refused, 503, "log_unavailable")
        assert refused.headers["retry-after"]
        assert readings_on_record(database) == 0

        set_read_only(database, "off")
        eventually(lambda: faults(api) == {}, "the service to be ready again")
        assert api.admin.patch(user, json={"displayName": "Ada King"}).status_code == 200
        eventually(lambda: readings_on_record(database) == 1, "the reading to be on record")


@pytest.fixture
def on_a_small_disk() -> Iterator[tuple[str, Path]]:
    """A migrated database whose tables have little room, and a file that leaves them none while it is there."""
    installation = installation_of(OLDEST_VERSION)
    if os.geteuid() != 0 or installation is None:
        pytest.skip(f"needs root, who can mount a file system, and PostgreSQL {OLDEST_VERSION}")
    with installed_server(installation, {"fsync": "off"}, "--encoding=UTF8", "--locale=C.UTF-8") as server:
        disk = server.socket_directory / "disk"
        disk.mkdir()
        options = f"size=24m,uid={NOBODY},mode=700"
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", disk], check=False)
        if mounted.returncode:
            pytest.skip("nothing can be mounted here, as in most containers")
        try:
            with psycopg.connect(server.conninfo(), autocommit=True) as connection:
                connection.execute(sql.SQL("CREATE TABLESPACE small LOCATION {}").format(str(disk)))
                connection.execute("CREATE DATABASE small TABLESPACE small")
            migrate_embedded(server.conninfo("small"))
            yield server.conninfo("small"), disk / "filler"
        finally:
            subprocess.run(["umount", "--lazy", disk], check=True)


def fill(file: Path) -> None:
    """Take all the room that is left."""
    with suppress(OSError), file.open("wb", buffering=0) as filler:
        while True:
            filler.write(bytes(65_536))


@pytest.mark.long
def test_while_the_disk_is_full_the_service_is_not_ready_and_nothing_is_lost_or_doubled(
    on_a_small_disk: tuple[str, Path], home: Path
) -> None:
    conninfo, filler = on_a_small_disk
    follow_to_head(conninfo)
    with serving_process(settings_in(home), conninfo) as api:
        fill(filler)
        statuses = [201]
        while statuses[-1] == 201:  # Some room is left in pages that are there.
            statuses.append(api.admin.post("/v1/users", json=a_person(displayName="A" * 50)).status_code)

        assert statuses[-1] == 503
        assert faults(api) == {"log": "appends_fail"}
        filler.unlink()
        eventually(lambda: faults(api) == {}, "the service to be ready again")
        assert api.admin.post("/v1/users", json=a_person()).status_code == 201

    with psycopg.connect(conninfo) as connection:
        found = connection.execute("SELECT count(*) FROM log.event WHERE topic = 'user.registered'").fetchone()
    assert found == (statuses.count(201),)  # One is only the beginning of the list; one came after the disk was full.
