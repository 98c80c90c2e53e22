"""`reprise run`: everything comes up, stays up, finds its data again, and leaves nothing behind, however it ends."""

import os
import signal
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped] # its stubs are a package of their own
import psycopg
import pytest

from infrastructure.embedded_postgres import EmbeddedPostgres
from infrastructure.embedded_postgres.server_socket import listening_process, socket_in
from infrastructure.postgres.database import owners_database
from tests.support.cli import CHECKOUT, CommandLine
from tests.support.cli_run import Running, kill, running, wait_until_gone
from tests.support.deployments import deployment
from tests.support.running import settings_in
from tests.support.waiting import eventually

SAMPLE = CHECKOUT / "examples" / "people.jsonl"
SAMPLE_USERS = 53


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """A home that the tests share which start and stop everything: making a database takes a while."""
    reprise = CommandLine(tmp_path_factory.mktemp("used") / "home")
    reprise.call("migrate")
    return reprise


@pytest.fixture(scope="module")
def reprise(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """The home of a run that goes on."""
    return CommandLine(tmp_path_factory.mktemp("run") / "home")


@pytest.fixture(scope="module")
def run(reprise: CommandLine) -> Iterator[Running]:
    """A run that goes on, for tests that leave it running."""
    with running(reprise) as run:
        yield run


def test_what_it_tells_is_true_and_there_are_sample_users(run: Running) -> None:
    users = run.get("/v1/users?limit=200")

    assert run.is_ready()
    assert run.docs == run.url + "/docs"
    assert run.get("/docs").is_success
    assert len(users.json()["items"]) == SAMPLE_USERS


def test_ctrl_c_on_the_terminal_reaches_the_supervisor_alone(run: Running) -> None:
    children = psutil.Process(run.process.pid).children()

    assert len(children) == 3
    assert all(os.getsid(child.pid) == child.pid for child in children)


def test_other_commands_join_its_database(reprise: CommandLine, run: Running) -> None:
    assert reprise.call("users", "show", "listener01@example.com").code == 0
    assert reprise.call("projections", "rebuild", "user_directory", "--json").json["state"] == "succeeded"
    assert run.is_ready()


@pytest.mark.parametrize("name", ["api", "projections"])
def test_a_process_that_dies_is_started_again(run: Running, name: str) -> None:
    kill(run.processes[name])
    event = run.next_event()

    assert (event["event"], event["process"], event["code"]) == ("restarted", name, -signal.SIGKILL)
    assert event["pid"] != run.processes[name]
    eventually(run.is_ready, "the API's readiness")


def test_its_processes_are_no_superusers_in_its_database(reprise: CommandLine, run: Running) -> None:
    assert run.is_ready()
    query = "SELECT DISTINCT usename FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> %s"
    with (
        owners_database(settings_in(reprise.home)) as conninfo,
        psycopg.connect(conninfo, autocommit=True) as owner,
    ):

        def logins() -> set[str]:
            return {name for (name,) in owner.execute(query, (owner.info.backend_pid,))}

        # A worker that has just been started anew need not be there yet.
        eventually(lambda: "reprise_worker" in logins(), "the worker to log in")

        assert logins() == {"reprise_api", "reprise_worker"}


def test_a_database_that_dies_is_started_again(run: Running) -> None:
    postmaster = run.postmaster()
    kill(postmaster.pid)
    wait_until_gone([postmaster])

    eventually(run.is_ready, "the API's readiness")
    eventually(lambda: run.get("/v1/users?limit=1").is_success, "an answer of the API")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_everything_and_leaves_no_process(used: CommandLine, number: signal.Signals) -> None:
    with running(used) as run:
        family = run.family()

        assert run.stop(number) == 0

    assert len(family) > len(run.processes)
    assert not any(process.is_running() for process in family)


def test_a_killed_supervisor_takes_everything_with_it(used: CommandLine) -> None:
    with running(used) as run:
        family = run.family()
        kill(run.process.pid)

        wait_until_gone(family)


def test_a_supervisor_that_is_killed_before_anything_has_joined_leaves_no_database(used: CommandLine) -> None:
    postgres = used.home / "postgres"
    with used.started("run", "--port", "0", "--json") as process:
        eventually(lambda: listening_process(socket_in(postgres)), "the database")
        kill(process.pid)

    eventually(lambda: not (postgres / "run").exists(), "the end of the database")


def test_the_next_run_finds_the_data_and_adds_no_sample_users(used: CommandLine) -> None:
    used.call("import", str(SAMPLE))
    before = used.call("log", "status", "--topics", "--json").json["topics"]

    with running(used) as run:
        assert len(run.get("/v1/users?limit=200").json()["items"]) == SAMPLE_USERS

    after = used.call("log", "status", "--topics", "--json").json["topics"]
    looked_at = after.pop("access_record.people_read")
    assert after == {topic: events for topic, events in before.items() if not topic.startswith("access_record.")}
    assert looked_at > before.get("access_record.people_read", 0)


def test_a_port_that_is_in_use_is_told_before_anything_is_started(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        refused = CommandLine(tmp_path / "home").call("run", "--port", str(port))

    assert (refused.code, refused.out) == (1, "")
    assert refused.err.startswith(f"reprise: Port {port} of 127.0.0.1 is in use. ")
    assert " reprise run --port " in refused.err
    assert not (tmp_path / "home").exists()


def test_if_a_process_cannot_start_everything_stops_and_the_reason_is_told(used: CommandLine) -> None:
    misled = CommandLine(used.home, variables=(("REPRISE_MAIL_URL", "carrier-pigeon:coo"),))

    ended = misled.run("run", "--port", "0")

    assert ended.code == 1
    assert "projections ended with 1" in ended.err
    assert "REPRISE_MAIL_URL must look like" in ended.err
    assert not (used.home / "postgres" / "run").exists()


MISLEADING = {
    "PGDATESTYLE": "German",
    "PGTZ": "Asia/Kolkata",
    "PGCLIENTENCODING": "LATIN1",
    "PGOPTIONS": "-c default_transaction_read_only=on",
    "PGSERVICE": "nowhere",
    "PGHOSTADDR": "192.0.2.1",
    "PGPORT": "1",
    "PGUSER": "nobody.of.this.name",
    "PGDATABASE": "none-of-this-name",
    "PGTARGETSESSIONATTRS": "standby",
    "PGREQUIREAUTH": "scram-sha-256",
    "PGCHANNELBINDING": "require",
    "PGSSLMODE": "verify-full",
    "PGSSLNEGOTIATION": "direct",
    "PGSSLMINPROTOCOLVERSION": "TLSv1.9",
}


def test_variables_for_other_programs_of_postgresql_change_nothing(used: CommandLine) -> None:
    with running(CommandLine(used.home, variables=tuple(MISLEADING.items()))) as run:
        assert run.is_ready()
        assert len(run.get("/v1/users?limit=200").json()["items"]) == SAMPLE_USERS


def test_it_runs_on_a_database_of_somebody_elses(server: EmbeddedPostgres, template: str, tmp_path: Path) -> None:
    assert template  # Without it, this would be the first database of its server.
    with (
        deployment(server.conninfo("postgres"), f"own_{uuid.uuid4().hex}", tmp_path / "home") as own,
        running(own.reprise) as run,
    ):
        assert len(run.get("/v1/users?limit=200").json()["items"]) == SAMPLE_USERS
        assert not [process for process in run.family() if process.name() == "postgres"]
