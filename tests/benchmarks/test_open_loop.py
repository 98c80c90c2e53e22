"""In an open loop, requests are due at a steady rate whatever becomes of those before, and time counts from then."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from benchmarks.load_generator import LoadGenerator, LoadResult, Step, Subject, ToolMissingError, compiled


class Seen(NamedTuple):
    """A request, as it arrived."""

    connection: int
    path: str
    instant: float


class Witness(ThreadingHTTPServer):
    """Answers everything, and knows what came when by which connection."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[Seen] = []


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Witness

    def do_GET(self) -> None:
        self.server.seen.append(Seen(self.client_address[1], self.path, time.perf_counter()))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def generator(tmp_path: Path) -> LoadGenerator:
    try:
        return compiled(tmp_path)
    except ToolMissingError as missing:
        pytest.skip(str(missing))


@pytest.fixture
def witness() -> Iterator[Witness]:
    with _serving(Witness()) as server:
        yield server


@contextmanager
def _serving(server: Witness) -> Iterator[Witness]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _get(path: str, *, is_immediate: bool = False) -> Step:
    return Step(name=path.strip("/"), status=200, method="GET", path=path, is_immediate=is_immediate)


def _run(generator: LoadGenerator, witness: Witness, *steps: Step, connections: int = 1, **span: Any) -> LoadResult:
    limits = {"warm_up_seconds": 0.0, "seconds": 30.0, **span}
    return generator.run(witness.server_port, steps, [Subject("-")] * connections, connections=connections, **limits)


def test_as_many_requests_are_sent_as_are_due(generator: LoadGenerator, witness: Witness) -> None:
    result = _run(generator.at(400), witness, _get("/a"), connections=4, seconds=0.25)

    assert (result.sent, result.answered, result.errors) == (100, 100, 0)
    assert len(witness.seen) == result.milliseconds.samples == 100


def test_who_waits_for_a_connection_waits_for_the_server(generator: LoadGenerator, witness: Witness) -> None:
    result = _run(generator.at(1_000_000), witness, _get("/a"), requests=200)

    from_first_to_last = 1000 * (witness.seen[-1].instant - witness.seen[0].instant)
    assert result.errors == 0
    assert result.milliseconds.max >= from_first_to_last > 0


def test_in_a_closed_loop_only_the_answer_counts(generator: LoadGenerator, witness: Witness) -> None:
    result = _run(generator, witness, _get("/a"), requests=200)

    from_first_to_last = 1000 * (witness.seen[-1].instant - witness.seen[0].instant)
    assert result.milliseconds.p50 < from_first_to_last


def test_a_read_of_ones_own_write_follows_immediately_by_the_same_connection(
    generator: LoadGenerator, witness: Witness
) -> None:
    result = _run(
        generator.at(500), witness, _get("/change"), _get("/read", is_immediate=True), connections=4, seconds=0.1
    )

    assert result.acknowledged("change") == result.acknowledged("read") == 50
    by_connection = sorted(witness.seen, key=lambda seen: seen.connection)
    for _, seen in groupby(by_connection, key=lambda seen: seen.connection):
        paths = [one.path for one in seen]
        assert paths == ["/change", "/read"] * (len(paths) // 2)
