"""What readiness said during a campaign, against what commands met at the same time."""

import asyncio
import time

import httpx
import msgspec

from tests.campaign.clients import Ledger

LOOK_SECONDS = 0.2
GREEN_FOR_SECONDS = 5.0
"""For so long readiness may say that all is well while commands fail."""
WELL_AFTER_SECONDS = 20.0
"""So long after the last trouble all has to be well again: what keeps being killed is restarted after pauses."""


class Look(msgspec.Struct, frozen=True):
    """An answer of readiness at an instant of the monotonic clock."""

    at: float
    is_ready: bool
    failures: str


class Health:
    """Looks at readiness, as a load balancer does."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self.looks: list[Look] = []

    async def watch(self, stop: asyncio.Event) -> None:
        """Until asked to stop. Where nobody answers, nothing was said."""
        while not stop.is_set():
            try:
                answer = await self._http.get("/readyz", timeout=5)
            except httpx.TransportError:
                await asyncio.sleep(LOOK_SECONDS)
                continue
            failed = [f"{c['name']}: {c['failure']}" for c in answer.json().get("checks", []) if not c["ok"]]
            self.looks.append(Look(time.monotonic(), answer.is_success, ", ".join(failed) or str(answer.status_code)))
            await asyncio.sleep(LOOK_SECONDS)

    def green_in_vain(self, ledger: Ledger) -> list[Look]:
        """When it said that all was well although every command had failed for a while."""
        return [look for look in self.looks if look.is_ready and _all_failed(ledger, look.at)]

    def red_in_vain(self, ledger: Ledger, troubles: list[tuple[float, float]]) -> list[Look]:
        """When it said that something was wrong although nothing had happened, and no command failed, for a while."""
        return [
            look
            for look in self.looks
            if not look.is_ready
            and not any(begin <= look.at and look.at - WELL_AFTER_SECONDS < end for begin, end in troubles)
            and not any(
                not is_acknowledged and look.at - WELL_AFTER_SECONDS < end and begin < look.at
                for begin, end, is_acknowledged in ledger.attempts
            )
        ]


def _all_failed(ledger: Ledger, at: float) -> bool:
    """Whether commands were tried for all of the time before an instant, and all of them in vain."""
    begin = at - GREEN_FOR_SECONDS
    during = [attempt for attempt in ledger.attempts if attempt[1] > begin and attempt[0] < at]
    return (
        any(start <= begin for start, _, _ in during)
        and len(during) > 0
        and not any(is_acknowledged for _, _, is_acknowledged in during)
    )
