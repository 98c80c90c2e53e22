"""The API as a process of its own: it ends in order, and there can be several of it."""

import signal
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

import httpx
import psutil  # type: ignore[import-untyped] # its stubs are a package of their own
import pytest

from tests.support.api import Api, a_person, refusal
from tests.support.processes import address, is_listening, serving_processes
from tests.support.running import follow_to_head
from tests.support.waiting import PATIENCE_SECONDS, eventually


def test_requests_under_way_are_answered_before_the_process_ends(own_api: Api) -> None:
    follow_to_head(own_api.conninfo)
    position = own_api.register().headers["log-position"]
    headers = {"Min-Log-Position": position, "Authorization": f"Bearer {own_api.admin.token}"}

    with another(own_api, workers=1) as (server, url), ThreadPoolExecutor() as others:
        waiting = others.submit(httpx.get, f"{url}/v1/users", headers=headers, timeout=PATIENCE_SECONDS)
        eventually(lambda: "in_flight 2.0" in httpx.get(f"{url}/metrics").text, "a request to be under way")
        server.send_signal(signal.SIGTERM)
        eventually(lambda: not is_listening(url), "the process to take no more connections")
        assert not waiting.done()
        follow_to_head(own_api.conninfo)
        answer = waiting.result()

        assert answer.status_code == 200
        assert server.wait(timeout=PATIENCE_SECONDS) == -signal.SIGTERM


def test_a_command_under_way_is_durable_or_refused_when_the_process_ends(api: Api) -> None:
    headers = {"Authorization": f"Bearer {api.admin.token}"}

    with (
        another(api, workers=1) as (server, url),
        httpx.Client(base_url=url, headers=headers, timeout=PATIENCE_SECONDS) as client,
        ThreadPoolExecutor(16) as others,
    ):
        sent = [others.submit(client.post, "/v1/users", json=a_person()) for _ in range(500)]
        eventually(lambda: any(request.done() for request in sent), "a first answer")
        server.send_signal(signal.SIGINT)
        server.wait(timeout=PATIENCE_SECONDS)
        acknowledged = [request.result().json()["userId"] for request in sent if request.exception() is None]

    assert 0 < len(acknowledged) < len(sent)
    for user_id in acknowledged:
        assert api.admin.get(f"/v1/users/{user_id}").status_code == 200


@pytest.mark.parametrize("workers", [2])
def test_several_workers_serve_one_port_and_end_together(api: Api, workers: int) -> None:
    headers = {"Authorization": f"Bearer {api.admin.token}"}

    with another(api, workers) as (server, url):
        with httpx.Client(base_url=url, headers=headers) as client:
            registered = [client.post("/v1/users", json=a_person()) for _ in range(10)]
        children = psutil.Process(server.pid).children()
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=PATIENCE_SECONDS)
        _, alive = psutil.wait_procs(children, timeout=PATIENCE_SECONDS)

    assert [answer.status_code for answer in registered] == [201] * 10
    assert len(children) >= workers
    assert not alive


def test_nothing_of_the_server_is_told(api: Api) -> None:
    answer = httpx.get(f"{api.url}/healthz")

    assert "server" not in answer.headers
    assert "x-powered-by" not in answer.headers


def test_what_is_not_http_is_refused(api: Api) -> None:
    host, port = address(api.url)
    with socket.create_connection((host, port)) as connection:
        connection.sendall(b"NOT HTTP AT ALL\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 400 ")


def test_connections_are_counted(api: Api) -> None:
    host, port = address(api.url)
    with socket.create_connection((host, port)) as connection:
        connection.sendall(b"NOT HTTP AT ALL\r\n\r\n")
        connection.recv(1000)
        metrics = httpx.get(f"{api.url}/metrics").text

    assert "\nreprise_http_connections_open " in metrics
    assert 'reprise_http_connections_ended{reason="request_malformed"} ' in metrics


@pytest.mark.parametrize("host", ["", "attacker.example", "a b", "127.0.0.1:99999"])
def test_no_answer_depends_on_the_host_header(api: Api, host: str) -> None:
    registered = api.admin.post("/v1/users", a_person(), headers={"Host": host})

    if registered.status_code == 201:
        assert registered.headers["location"].startswith("/v1/users/")
        assert host == "" or host not in str(registered.headers)
    else:
        refusal(registered, 400, "request_malformed")


def another(api: Api, workers: int) -> AbstractContextManager[tuple[subprocess.Popen[bytes], str]]:
    """More processes of the service, with the keys of the first."""
    return serving_processes(api.settings.home, api.conninfo, workers, REPRISE_WAIT_SECONDS="30")
