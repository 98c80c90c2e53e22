"""Clients of a campaign: they carry out commands, each until it is acknowledged, and read what they wrote.

A command keeps its idempotency key over all attempts. So each is in the log once, or something is wrong.
"""

import asyncio
import time
import uuid
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import httpx
import msgspec

PATIENCE_SECONDS = 30.0
"""How long one attempt may take; an answer has to come far sooner."""
PAUSE_SECONDS = 0.1
"""After an attempt that came to nothing."""
TIRED_SECONDS = 90.0
"""A command that is in vain for so long ends the campaign."""
WORTH_ANOTHER = {429, 502, 503, 504}


class Ledger(msgspec.Struct):
    """What clients were told, with instants of the monotonic clock."""

    versions: dict[str, int] = {}
    """By user, the highest version that was acknowledged."""
    attempts: list[tuple[float, float, bool]] = []
    """Of each attempt at a command the begin, the end, and whether it was acknowledged."""
    stale_reads: list[str] = []
    wrong: list[str] = []
    """Answers that no client should get."""

    @property
    def acknowledged(self) -> int:
        """How many commands."""
        return sum(self.versions.values())

    @property
    def longest_silence(self) -> float:
        """The longest time in seconds without an acknowledged command."""
        ends = sorted(end for _, end, is_acknowledged in self.attempts if is_acknowledged)
        return max((after - before for before, after in pairwise(ends)), default=0.0)


class Client:
    """One client: a user after another, each registered and changed some times."""

    def __init__(self, http: httpx.AsyncClient, ledger: Ledger, stop: asyncio.Event) -> None:
        self._http = http
        self._ledger = ledger
        self._stop = stop

    async def work(self) -> None:
        """Until asked to stop; the command under way is carried out to its end."""
        while not self._stop.is_set():
            name = uuid.uuid4().hex
            body = {"email": f"{name}@example.com", "displayName": name, "country": "SE"}
            answer = await self._until_acknowledged("POST", "/v1/users", body)
            path = answer.headers["location"]
            await self._note(path, 1, answer)
            for version in range(2, 6):
                if self._stop.is_set():
                    return
                answer = await self._until_acknowledged("PATCH", path, {"displayName": f"{name} {version}"})
                await self._note(path, version, answer)

    async def _until_acknowledged(self, method: str, path: str, body: dict[str, Any]) -> httpx.Response:
        headers = {"Idempotency-Key": str(uuid.uuid4()), "Content-Type": "application/json"}
        if method == "PATCH":
            headers["Content-Type"] = "application/merge-patch+json"
        tired = time.monotonic() + TIRED_SECONDS
        while time.monotonic() < tired:
            begin = time.monotonic()
            answer = await self._attempt(method, path, headers, msgspec.json.encode(body))
            is_acknowledged = answer is not None and answer.is_success
            self._ledger.attempts.append((begin, time.monotonic(), is_acknowledged))
            if answer is not None and is_acknowledged:
                return answer
            if answer is not None and answer.status_code not in WORTH_ANOTHER:
                self._ledger.wrong.append(f"{method}: {answer.status_code} {answer.text[:200]}")
            await asyncio.sleep(PAUSE_SECONDS)
        msg = f"{method} was in vain for {TIRED_SECONDS} s"
        raise TimeoutError(msg)

    async def _attempt(self, method: str, path: str, headers: dict[str, str], content: bytes) -> httpx.Response | None:
        try:
            return await self._http.request(method, path, headers=headers, content=content)
        except httpx.TransportError:
            return None

    async def _note(self, path: str, version: int, answer: httpx.Response) -> None:
        """Put a version on record, and read it: by id, and from the list with the position of the answer."""
        self._ledger.versions[path] = version
        read = await self._attempt("GET", path, {}, b"")
        if read is not None and read.is_success and read.json()["version"] < version:
            self._ledger.stale_reads.append(f"{path} by id: {read.json()['version']}, not {version}")
        headers = {"Min-Log-Position": answer.headers["log-position"]}
        timeline = await self._attempt("GET", f"{path}/events?limit=200", headers, b"")
        if timeline is not None and timeline.is_success:
            items: Sequence[Any] = timeline.json()["items"]
            if max((item["version"] for item in items), default=0) < version:
                self._ledger.stale_reads.append(f"{path} in its timeline: not {version}")
