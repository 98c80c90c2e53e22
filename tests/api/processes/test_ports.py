"""A port that is taken: the command that is offered instead works, however the program was called."""

import shlex
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.cli.failures import Failure
from api.processes.ports import MADE_BY_MAKE, free_port
from tests.support.cli import CHECKOUT, CommandLine


@pytest.fixture
def taken() -> Iterator[int]:
    """A port at which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture(autouse=True)
def _from_a_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MAKELEVEL", raising=False)
    monkeypatch.setattr(sys, "argv", ["reprise"])


def offered(port: int, *command: str) -> str:
    """The command that is offered in place of this one."""
    with pytest.raises(Failure) as refused:
        free_port("127.0.0.1", port, command)
    assert refused.value.code == "port_in_use"
    assert str(refused.value).startswith(f"Port {port} of 127.0.0.1 is in use. ")
    return str(refused.value).partition(": ")[2]


def port_in(command: str) -> int:
    words = shlex.split(command)
    return int(words[words.index("--port") + 1])


def test_the_port_that_is_offered_can_be_listened_at(taken: int) -> None:
    free = port_in(offered(taken, "run"))

    assert free != taken
    with socket.create_server(("127.0.0.1", free)):
        pass


def test_a_port_that_is_taken_too_is_not_offered(taken: int) -> None:
    first = port_in(offered(taken, "run"))

    with socket.create_server(("127.0.0.1", first)):
        assert port_in(offered(taken, "run")) not in {taken, first}


def test_a_port_that_is_free_is_taken_as_it_is(taken: int) -> None:
    free = port_in(offered(taken, "run"))

    assert free_port("127.0.0.1", free, ["run"]) == free
    assert free_port("127.0.0.1", 0, ["run"]) > 0


def test_who_called_make_is_offered_make(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAKELEVEL", "1")
    monkeypatch.setattr(sys, "argv", [MADE_BY_MAKE])

    assert offered(taken, "run").startswith('make run ARGS="--port ')
    assert offered(taken, "run", "--host", "127.0.0.1").startswith('make run ARGS="--host 127.0.0.1 --port ')
    assert offered(taken, "serve").startswith(".venv/bin/reprise serve --port ")


def test_the_makefile_calls_the_program_by_that_path() -> None:
    text = (CHECKOUT / "Makefile").read_text()

    assert "BIN := .venv/bin\n" in text
    assert "@exec $(BIN)/reprise run $(ARGS)\n" in text


def test_a_makefile_of_somebody_elses_has_no_such_target(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAKELEVEL", "1")
    monkeypatch.setattr(sys, "argv", ["/opt/reprise/bin/reprise"])

    assert offered(taken, "run").startswith("/opt/reprise/bin/reprise run --port ")


def test_the_other_options_stay(taken: int, tmp_path: Path) -> None:
    reprise = CommandLine(tmp_path / "home")

    refused = reprise.run("serve", "--host", "127.0.0.1", "--port", str(taken), "--workers", "2")
    run = reprise.call("run", "--host", "127.0.0.1", "--port", str(taken), "--json")

    assert " reprise serve --host 127.0.0.1 --workers 2 --port " in refused.err
    assert "reprise run --host 127.0.0.1 --json --port " in run.out


def test_the_highest_port_has_neighbours_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as holder:
        try:
            holder.bind(("127.0.0.1", 65_535))
        except OSError:
            pytest.skip("somebody has this port")
        holder.listen()

        assert 0 < port_in(offered(65_535, "run")) < 65_535


def test_an_address_of_another_machine_is_refused_as_such() -> None:
    with pytest.raises(Failure, match=r"^Cannot listen on port 8000 of 192\.0\.2\.1: ") as refused:
        free_port("192.0.2.1", 8000, ["run"])

    assert refused.value.code == "address_unusable"
