"""A whole service under fire: clients at work, rebuilds under way, and every few seconds something breaks."""

import asyncio
import random
import threading
import time
from contextlib import suppress
from pathlib import Path

import httpx
import msgspec

from tests.campaign.clients import PATIENCE_SECONDS, Client, Ledger
from tests.campaign.health import Health
from tests.campaign.trouble import TROUBLES, Victims
from tests.support.cli_run import Running

CLIENTS = 6
PAUSE_SECONDS = (1.0, 4.0)
"""Between two troubles, at least and at most."""
MODELS = ("user_directory", "user_timeline", "user_statistics")


class Campaign(msgspec.Struct):
    """How long it goes on, and what came of it."""

    seconds: float
    seed: int
    ledger: Ledger = msgspec.field(default_factory=Ledger)
    troubles: list[tuple[str, float, float]] = msgspec.field(default_factory=list)
    """Name, begin and end of each."""
    rebuilds: list[str] = msgspec.field(default_factory=list)
    """How those that were requested ended."""
    health: Health | None = None

    async def wage(self, run: Running, victims: Victims) -> None:
        """Until the time is over; then wait until what is under way has ended well."""
        threading.Thread(target=_drain, args=(run,), daemon=True).start()
        over, quiet = asyncio.Event(), asyncio.Event()
        headers = {"Authorization": f"Bearer {run.token}", "Reprise-Purpose": "campaign"}
        async with httpx.AsyncClient(base_url=run.url, headers=headers, timeout=PATIENCE_SECONDS) as http:
            self.health = Health(http)
            async with asyncio.TaskGroup() as work:
                for _ in range(CLIENTS):
                    work.create_task(Client(http, self.ledger, over).work())
                work.create_task(self.health.watch(quiet))
                rebuilding = work.create_task(self._rebuild(http, over))
                await self._trouble(victims)
                over.set()
                await rebuilding
                quiet.set()

    async def _trouble(self, victims: Victims) -> None:
        draw, until = random.Random(self.seed), time.monotonic() + self.seconds
        names: list[str] = []
        while time.monotonic() < until:
            if not names:  # Each comes once before any comes twice.
                names = draw.sample(sorted(TROUBLES), len(TROUBLES))
            name, begin = names.pop(), time.monotonic()
            await TROUBLES[name](victims)
            self.troubles.append((name, begin, time.monotonic()))
            await asyncio.sleep(draw.uniform(*PAUSE_SECONDS))

    async def _rebuild(self, http: httpx.AsyncClient, over: asyncio.Event) -> None:
        """One model after another, again and again."""
        while not over.is_set():
            for name in MODELS:
                status = await self._request(http, name)
                while status.get("state") not in {"succeeded", "failed"}:
                    await asyncio.sleep(0.2)
                    with suppress(httpx.TransportError):
                        answer = await http.get(f"/v1/projections/{name}/rebuilds/{status['id']}")
                        status = answer.json() if answer.is_success else status
                self.rebuilds.append(f"{name} {status['state']}: {status['failure']}")
                if over.is_set():
                    return

    async def _request(self, http: httpx.AsyncClient, name: str) -> dict[str, str]:
        while True:
            with suppress(httpx.TransportError):
                answer = await http.post(f"/v1/projections/{name}/rebuilds")
                if answer.is_success:
                    status: dict[str, str] = answer.json()
                    return status
            await asyncio.sleep(0.2)

    def told(self, home: Path) -> str:
        """What happened, in a few lines."""
        assert self.health is not None
        counts = {name: [n for n, _, _ in self.troubles].count(name) for name in sorted(TROUBLES)}
        vain = sum(not is_acknowledged for _, _, is_acknowledged in self.ledger.attempts)
        green = sum(look.is_ready for look in self.health.looks)
        return "\n".join(
            [
                f"troubles: {len(self.troubles)} {counts}",
                f"commands: {self.ledger.acknowledged} acknowledged, {vain} attempts in vain",
                f"longest silence: {self.ledger.longest_silence:.1f} s",
                f"rebuilds: {len(self.rebuilds)}, failed {[r for r in self.rebuilds if 'failed' in r]}",
                f"readiness: {green} of {len(self.health.looks)} answers said ready",
                f"logs: {home / 'logs'}",
            ]
        )


def _drain(run: Running) -> None:
    """Take what the run tells off the pipe, lest it has to wait."""
    assert run.process.stdout
    for _ in run.process.stdout:
        pass
