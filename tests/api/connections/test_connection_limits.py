"""What one connection, and all of them together, may take up before anybody has shown a token."""

import asyncio
import itertools
import socket
from contextlib import ExitStack
from typing import Any

import pytest

from api.connections.outgoing import Outgoing
from tests.support.raw_http import answers_in, connect, converse, read_to_end
from tests.support.raw_requests import get
from tests.support.raw_server import Waiting, raw_server
from tests.support.waiting import eventually

POST = get().replace(b"GET", b"POST")
PUT = get(b"Content-Length: 100").replace(b"GET", b"PUT")
HALF_A_HEAD = b"GET / HTTP/1.1\r\nHost: a\r\nX-A: "
MEGABYTE = 1_048_576


@pytest.mark.parametrize("field", [b"a:b\r\n", b"X", b"X-A: b\r\nX-C: d\r\n"])
def test_a_head_without_end_is_refused_as_soon_as_it_is_too_large(field: bytes) -> None:
    with raw_server() as server, connect(server.url) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n")
        sent = send_until_refused(connection, field * 2_000)
        (answer,) = answers_in(read_to_end(connection))

    assert (answer.status, answer.code, answer.fields["connection"]) == (431, "head_too_large", "close")
    assert sent < 64 * MEGABYTE


def test_a_target_without_end_is_refused() -> None:
    with raw_server() as server, connect(server.url) as connection:
        connection.sendall(b"GET /")
        sent = send_until_refused(connection, b"x" * 10_000)
        (answer,) = answers_in(read_to_end(connection))

    assert (answer.status, answer.code) == (414, "target_too_long")
    assert sent < 64 * MEGABYTE


def test_content_that_nobody_reads_is_not_held() -> None:
    with raw_server() as server, connect(server.url) as connection:
        connection.sendall(POST[:-2] + b"Content-Length: 1000000000\r\n\r\n")
        eventually(lambda: server.app.at_work == 1, "the request to be under way")
        connection.settimeout(0.5)
        sent = send_until_refused(connection, bytes(100_000))
        server.app.let_go()

    assert sent < 64 * MEGABYTE


def test_a_head_has_its_time_and_no_more() -> None:
    with raw_server(head_seconds=0.2) as server:
        (answer,) = answers_in(converse(server.url, HALF_A_HEAD))

    assert (answer.status, answer.code, answer.fields["connection"]) == (408, "request_timeout", "close")


def test_a_head_gets_no_more_time_for_coming_slowly() -> None:
    with raw_server(head_seconds=0.2) as server, connect(server.url) as connection:
        connection.sendall(HALF_A_HEAD)
        connection.settimeout(0.02)
        while not server.is_ended("request_timeout"):
            wait_for_answer(connection)
            connection.sendall(b"x")
        connection.settimeout(30)
        (answer,) = answers_in(read_to_end(connection))

    assert answer.code == "request_timeout"


def test_the_head_of_a_later_request_has_its_time_too() -> None:
    with raw_server(head_seconds=0.2, idle_seconds=60.0) as server:
        first, second = answers_in(converse(server.url, get() + HALF_A_HEAD))

    assert (first.status, second.code) == (200, "request_timeout")


def test_content_has_its_time_and_no_more() -> None:
    with raw_server(content_seconds=0.2) as server:
        (answer,) = answers_in(converse(server.url, PUT + b"half of it"))

    assert (answer.status, answer.code, answer.fields["connection"]) == (408, "request_timeout", "close")


def test_who_says_nothing_is_not_answered() -> None:
    with raw_server(head_seconds=0.1) as server:
        assert converse(server.url, b"") == b""
        assert server.is_ended("idle")


def test_who_says_nothing_more_is_not_answered_again() -> None:
    with raw_server(idle_seconds=0.1) as server:
        answers = answers_in(converse(server.url, get()))

    assert [answer.status for answer in answers] == [200]


def test_an_answer_that_takes_long_is_nobodys_fault() -> None:
    short: dict[str, Any] = {"head_seconds": 0.05, "content_seconds": 0.05, "idle_seconds": 0.05, "write_seconds": 0.05}
    with raw_server(**short) as server, connect(server.url) as connection:
        connection.sendall(POST)
        eventually(lambda: server.app.at_work == 1, "the request to be under way")
        # A connection whose time is counted comes and goes meanwhile.
        converse(server.url, b"")
        server.app.let_go()
        (answer,) = answers_in(read_to_end(connection))

    assert answer.status == 200


def test_who_does_not_read_the_answer_is_cut_off() -> None:
    with raw_server(Waiting(bytes(64 * MEGABYTE)), write_seconds=0.2) as server, connect(server.url) as connection:
        connection.sendall(get())
        eventually(lambda: server.is_ended("not_read"), "the server to lose its patience")

        assert len(read_to_end(connection)) < 64 * MEGABYTE


async def test_who_reads_slowly_is_not_cut_off() -> None:
    transport = Clogged()
    out = Outgoing(transport, asyncio.get_running_loop(), transport.close)
    out.write(bytes(1_000))
    out.flush()
    for second in range(1, 100):
        transport.held = 1_000 - second
        assert not out.is_stalled(now=float(second), seconds=2.0)

    assert not out.is_stalled(now=101.0, seconds=2.0)
    assert out.is_stalled(now=102.0, seconds=2.0)


class Clogged(asyncio.Transport):
    """A connection that takes as little as it is told to."""

    held = 0

    def write(self, data: Any) -> None:
        self.held += len(data)

    def close(self) -> None:
        pass

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return self.held


def test_who_has_waited_longest_makes_room_for_another() -> None:
    with raw_server(connections=10) as server, ExitStack() as stack:
        first, *others = [stack.enter_context(connect(server.url)) for _ in range(10)]
        eventually(lambda: len(server.connections) == 10, "all to be connected")

        assert converse(server.url, get(b"Connection: close")).startswith(b"HTTP/1.1 200 ")
        assert read_to_end(first) == b""
        assert all(converse_on(other, get()).startswith(b"HTTP/1.1 200 ") for other in others)


@pytest.mark.parametrize("begun", [HALF_A_HEAD, PUT])
def test_who_has_begun_a_request_is_told_that_there_was_no_room(begun: bytes) -> None:
    with raw_server(connections=10) as server, ExitStack() as stack:
        first, *_ = [stack.enter_context(connect(server.url)) for _ in range(10)]
        for connection in (first, *_):
            connection.sendall(begun)
            assert not wait_for_answer(connection)
        assert converse(server.url, get(b"Connection: close")).startswith(b"HTTP/1.1 200 ")
        (answer,) = answers_in(read_to_end(first))

    assert (answer.status, answer.code, answer.fields["retry-after"]) == (503, "connections_exhausted", "1")


def test_nobody_whose_request_is_worked_on_makes_room() -> None:
    with raw_server(connections=10) as server, ExitStack() as stack:
        working = [stack.enter_context(connect(server.url)) for _ in range(10)]
        for connection in working:
            connection.sendall(POST)
        eventually(lambda: server.app.at_work == 10, "all to be worked on")
        (refused,) = answers_in(converse(server.url, b""))
        server.app.let_go()

        assert all(connection.recv(1_000).startswith(b"HTTP/1.1 200 ") for connection in working)
        assert (refused.status, refused.code, refused.fields["retry-after"]) == (503, "connections_exhausted", "1")
        assert converse(server.url, get(b"Connection: close")).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("begun", [b"", HALF_A_HEAD, PUT])
def test_any_number_of_silent_connections_shuts_nobody_out(begun: bytes) -> None:
    with raw_server(connections=20, parting=5) as server, ExitStack() as stack:
        for _ in range(20):
            for _ in range(10):
                stack.enter_context(connect(server.url)).sendall(begun)
            assert converse(server.url, get(b"Connection: close")).startswith(b"HTTP/1.1 200 ")

        assert len(server.connections) <= 20
        assert len(server.server.server_state.connections) <= 20 + 5 + 1


def test_answers_keep_their_order_when_a_later_request_is_refused() -> None:
    with raw_server() as server, connect(server.url) as connection:
        connection.sendall(POST + get() + b"NOT HTTP\r\n\r\n")
        eventually(lambda: server.is_ended("request_malformed"), "the last one to be refused")
        server.app.let_go()
        answers = answers_in(read_to_end(connection))

    assert [(answer.status, answer.code) for answer in answers] == [
        (200, None),
        (200, None),
        (400, "request_malformed"),
    ]


def test_requests_that_come_at_once_are_held_in_a_bounded_number() -> None:
    with raw_server() as server, connect(server.url) as connection:
        connection.sendall(POST + get() * 700)
        eventually(lambda: server.app.at_work == 1, "the first one to be worked on")
        server.app.let_go()
        answers = answers_in(read_to_end(connection))

    assert [answer.status for answer in answers] == [200] * 17
    assert answers[-1].fields["connection"] == "close"


def test_who_is_half_way_when_the_server_stops_does_not_hold_it_up() -> None:
    with raw_server() as server, ExitStack() as stack:
        silent, begun, idle, working = [stack.enter_context(connect(server.url)) for _ in range(4)]
        begun.sendall(HALF_A_HEAD)
        assert converse_on(idle, get()).startswith(b"HTTP/1.1 200 ")
        working.sendall(POST)
        eventually(lambda: server.app.at_work == 1, "the request to be under way")
        server.server.should_exit = True
        assert [read_to_end(connection) for connection in (silent, begun, idle)] == [b"", b"", b""]
        server.app.let_go()
        (answer,) = answers_in(read_to_end(working))

    assert (answer.status, answer.fields["connection"]) == (200, "close")


def send_until_refused(connection: socket.socket, octets: bytes) -> int:
    """Send again and again, up to a gigabyte, until nothing more is taken; how much was."""
    sent = 0
    for _ in itertools.repeat(None, 1_000_000_000 // len(octets)):
        try:
            sent += connection.send(octets)
        except (BrokenPipeError, ConnectionResetError, TimeoutError):
            break
    return sent


def wait_for_answer(connection: socket.socket) -> bytes:
    """What has come; empty if there is nothing yet."""
    patience = connection.gettimeout()
    connection.settimeout(0.02)
    try:
        return connection.recv(1_000, socket.MSG_PEEK)
    except TimeoutError:
        return b""
    finally:
        connection.settimeout(patience)


def converse_on(connection: socket.socket, octets: bytes) -> bytes:
    """A short answer to a request."""
    connection.sendall(octets)
    return connection.recv(10_000)
