"""Whether the API can be reached, and whether it is ready."""

import asyncio

from api.cli.failures import Failure
from infrastructure.settings import Settings, http_url

LOOK_SECONDS = 0.05
LONGEST_ANSWER = 65_536
LOOK_TIMEOUT_SECONDS = 5.0
READY_WITHIN_SECONDS = 90.0
_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - read, not bound


def reachable_host(settings: Settings) -> str:
    """The host by which this machine reaches the API."""
    return _ANY_ADDRESS.get(settings.host, settings.host)


def base_url(settings: Settings) -> str:
    """The URL of the API, as seen from this machine."""
    return http_url(reachable_host(settings), settings.port)


async def until_ready(settings: Settings) -> None:
    """Wait until the API is ready. Raises `Failure`, with its last answer, if that takes too long."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + READY_WITHIN_SECONDS
    answer = b""
    while not answer.startswith(b"HTTP/1.1 200 "):
        if loop.time() > deadline:
            said = answer.partition(b"\r\n\r\n")[2].decode(errors="replace") or "nothing"
            raise Failure(f"The API is not ready after {READY_WITHIN_SECONDS:.0f} s. Its answer: {said}", "not_ready")
        await asyncio.sleep(LOOK_SECONDS)
        answer = await _ask(settings)


async def _ask(settings: Settings) -> bytes:
    """The answer of /readyz; empty if there is none."""
    host = reachable_host(settings)
    try:
        async with asyncio.timeout(LOOK_TIMEOUT_SECONDS):
            reader, writer = await asyncio.open_connection(host, settings.port)
            writer.write(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer = await reader.read(LONGEST_ANSWER)
            writer.close()
    except (OSError, TimeoutError):
        return b""
    return answer
