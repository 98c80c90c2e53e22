"""How long answers took."""

from collections.abc import Sequence
from statistics import median

import msgspec


class Latencies(msgspec.Struct, frozen=True, kw_only=True):
    """Quantiles in milliseconds, exact: every single one was kept."""

    samples: int
    p50: float
    p95: float
    p99: float
    p999: float
    max: float


def latencies(seconds: Sequence[float]) -> Latencies:
    """The quantiles of some durations."""
    ordered = sorted(seconds) or [0.0]

    def quantile(share: float) -> float:
        return round(ordered[min(int(share * len(ordered)), len(ordered) - 1)] * 1000, 3)

    return Latencies(
        samples=len(seconds),
        p50=quantile(0.5),
        p95=quantile(0.95),
        p99=quantile(0.99),
        p999=quantile(0.999),
        max=quantile(1.0),
    )


def of_rounds(rounds: Sequence[Latencies]) -> Latencies:
    """The median of each quantile over several rounds, and the longest there was."""
    return Latencies(
        samples=sum(one.samples for one in rounds),
        p50=median(one.p50 for one in rounds),
        p95=median(one.p95 for one in rounds),
        p99=median(one.p99 for one in rounds),
        p999=median(one.p999 for one in rounds),
        max=max(one.max for one in rounds),
    )
