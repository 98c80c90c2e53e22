"""How often something may happen, decided from the instants at which it did."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

REMEMBERED = 20
"""Instants that an aggregate keeps of what is limited: no limit allows more within its time."""

AT_ONCE = timedelta(0)


class Limit(msgspec.Struct, frozen=True):
    """So many times within so long, and no more."""

    times: int
    within: timedelta

    def wait(self, instants: Sequence[datetime], now: datetime) -> timedelta:
        """How long it takes until one more is within the limit: zero or less if it is. Oldest instants first."""
        if len(instants) < self.times:
            return AT_ONCE
        return instants[-self.times] + self.within - now


def remembered(instants: tuple[datetime, ...], instant: datetime | None) -> tuple[datetime, ...]:
    """The last instants, with one more if there is one."""
    return instants if instant is None else (*instants, instant)[-REMEMBERED:]
