"""Good requests with mistakes put into them, sent as octets: `python -m tests.support.raw_fuzz --requests 100000`.

Behind each goes a good request that ends the connection. Whatever the server makes of the two, it has to answer in good
form, never with 500 or above, and to end the connection.
"""

import argparse
import asyncio
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from api.connections.limits import Limits
from infrastructure.embedded_postgres import embedded_postgres
from infrastructure.postgres.database import migrate_embedded
from tests.support.api import Api, serving
from tests.support.raw_http import PATIENCE, PROBE, address, answers_in
from tests.support.raw_requests import RAW_REQUESTS
from tests.support.running import settings_in, worker

LIMITS = Limits(head_seconds=0.5, content_seconds=0.5, idle_seconds=0.5)
"""Who waits for more soon loses patience, so that it can be seen that nothing hangs."""
AT_ONCE = 64

PIECES = (
    b"\r\n", b"\r", b"\n", b"\0", b" ", b"\t", b":", b";", b",", b"/", b"?", b"#", b"%", b"%00", b"%zz", b"\xff",
    b"\x7f",
    b"-", b"0", b"1", b"9" * 20, b"0x", b"Host: b\r\n", b"Content-Length: 5\r\n", b"Content-Length: 0\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding : chunked\r\n", b"transfer-encoding: identity\r\n",
    b"Connection: close\r\n", b"Connection: upgrade\r\nUpgrade: h2c\r\n", b"Expect: 100-continue\r\n", b"HTTP/1.0",
    b"HTTP/1.1", b"HTTP/2.0", b"GET ", b"POST ", b"OPTIONS ", b"CONNECT ", b"TRACE ",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\r\n\r\n", b"0\r\n\r\n", b"1\r\na\r\n", b"fffffffff\r\n", b"X-A: b\r\n c\r\n", b"//", b"/../", b"http://a", b"*",
    b"a:b\r\n" * 120, b"X" * 9_000, b"x" * 40_000,
)  # fmt: skip

Mutation = Callable[[random.Random, bytes], bytes]


class Outcome(msgspec.Struct, kw_only=True):
    """What came of many requests."""

    requests: int = 0
    statuses: Counter[int] = msgspec.field(default_factory=Counter)
    codes: Counter[str] = msgspec.field(default_factory=Counter)
    unanswered: list[bytes] = msgspec.field(default_factory=list)
    """What a connection was ended at without an answer: nothing had begun."""
    faults: list[tuple[str, bytes]] = msgspec.field(default_factory=list)
    """What went wrong, and the octets that did it."""


def _inserted(chance: random.Random, octets: bytes) -> bytes:
    at = chance.randrange(len(octets) + 1)
    return octets[:at] + chance.choice(PIECES) + octets[at:]


def _deleted(chance: random.Random, octets: bytes) -> bytes:
    at = chance.randrange(len(octets))
    return octets[:at] + octets[at + chance.choice((1, 1, 2, 5, 20)) :]


def _replaced(chance: random.Random, octets: bytes) -> bytes:
    at = chance.randrange(len(octets))
    return octets[:at] + bytes([chance.randrange(256)]) + octets[at + 1 :]


def _repeated(chance: random.Random, octets: bytes) -> bytes:
    start = chance.randrange(len(octets))
    end = start + chance.choice((1, 5, 20, 100))
    return octets[:end] + octets[start:end] * chance.choice((1, 1, 2, 50)) + octets[end:]


def _line_moved(chance: random.Random, octets: bytes) -> bytes:
    lines = octets.split(b"\r\n")
    line = lines.pop(chance.randrange(len(lines)))
    lines.insert(chance.randrange(len(lines) + 1), line)
    return b"\r\n".join(lines)


def _cut_short(chance: random.Random, octets: bytes) -> bytes:
    return octets[: chance.randrange(1, len(octets) + 1)]


MUTATIONS: tuple[Mutation, ...] = (
    _inserted, _inserted, _inserted, _deleted, _replaced, _replaced, _repeated, _line_moved, _cut_short,
)  # fmt: skip


def good_requests(token: str) -> list[bytes]:
    """Requests that are well-formed, some with a token. None is HEAD, whose answers look like others cut short."""
    bearer = b"Host: a\r\nAuthorization: Bearer " + token.encode()
    changed_name, version = b'{"displayName":"Ada"}', b'\r\nIf-Match: "1"\r\n'
    person = b'{"displayName":"Ada","email":"ada@example.com","country":"SE"}'
    as_json = b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
    nobody = b"/v1/users/0190c0de-0000-7000-8000-000000000000"
    return [
        *(request.octets for request in RAW_REQUESTS if request.goes_on and not request.to_head),
        b"GET /v1/users?limit=1&country=SE HTTP/1.1\r\n" + bearer + b"\r\nAccept: application/json\r\n\r\n",
        b"GET " + nobody + b" HTTP/1.1\r\n" + bearer + b'\r\nIf-None-Match: "1"\r\n\r\n',
        b"POST /v1/users HTTP/1.1\r\n" + bearer + b"\r\nIdempotency-Key: 1\r\n" + as_json % (len(person), person),
        b"PATCH " + nobody + b" HTTP/1.1\r\n" + bearer + version + as_json % (21, changed_name),
        b"GET /v1/audit/events?limit=1 HTTP/1.1\r\n" + bearer + b"\r\n\r\n",
    ]  # fmt: skip


def mutated(chance: random.Random, requests: Sequence[bytes]) -> bytes:
    """A request with one to four mistakes."""
    octets = chance.choice(requests)
    for _ in range(chance.choice((1, 1, 1, 2, 2, 4))):
        octets = chance.choice(MUTATIONS)(chance, octets) or b"\r\n"
    return octets


async def fuzz(url: str, token: str, requests: int, seed: int) -> Outcome:
    """Send so many requests, each over a connection of its own, some at once."""
    outcome, chance, good = Outcome(), random.Random(seed), good_requests(token)

    async def send_some(number: int) -> None:
        for _ in range(number):
            await _send(url, mutated(chance, good), outcome)

    shares = [requests // AT_ONCE + (number < requests % AT_ONCE) for number in range(AT_ONCE)]
    await asyncio.gather(*map(send_some, shares))
    return outcome


async def _send(url: str, octets: bytes, outcome: Outcome) -> None:
    outcome.requests += 1
    try:
        _judge(await asyncio.wait_for(_answer(url, octets + PROBE), PATIENCE), octets, outcome)
    except TimeoutError:
        outcome.faults.append(("left hanging", octets))
    except Exception as error:  # noqa: BLE001 - all of them are looked at together
        outcome.faults.append((repr(error)[:500], octets))


async def _answer(url: str, octets: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(*address(url))
    try:
        writer.write(octets)
        return await reader.read()
    finally:
        writer.close()


def _judge(received: bytes, octets: bytes, outcome: Outcome) -> None:
    answers = answers_in(received)
    outcome.unanswered += [] if answers else [octets]
    for answer in answers:
        outcome.statuses[answer.status] += 1
        if answer.code is not None:
            outcome.codes[answer.code] += 1
        if answer.status >= 500:
            outcome.faults.append((f"{answer.status} {answer.code}", octets))


def main() -> None:
    """Serve the API on a database of its own, and send it what its arguments say."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, embedded_postgres(Path(folder) / "postgres") as server:
        conninfo = server.conninfo("postgres")
        migrate_embedded(conninfo)
        settings = settings_in(Path(folder) / "home")
        with worker(settings, conninfo), serving(settings, conninfo, LIMITS) as api:
            _report(api, arguments.requests, arguments.seed)


def _report(api: Api, requests: int, seed: int) -> None:
    started = time.monotonic()
    outcome = asyncio.run(fuzz(api.url, api.admin.token or "", requests, seed))
    print(f"{outcome.requests} requests in {time.monotonic() - started:.0f} s, seed {seed}")  # noqa: T201
    print(f"statuses {dict(sorted(outcome.statuses.items()))}, without an answer {len(outcome.unanswered)}")  # noqa: T201
    print(f"codes {dict(outcome.codes.most_common())}")  # noqa: T201
    print(f"faults {len(outcome.faults)}", *outcome.faults[:10], sep="\n")  # noqa: T201


if __name__ == "__main__":
    main()
