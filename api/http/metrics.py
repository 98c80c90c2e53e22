"""What one process counts of its requests and connections, for Prometheus. Labels are route templates, never paths."""

from collections import Counter
from typing import Protocol

from prometheus_client import CollectorRegistry, Gauge, Histogram

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "OTHER"
"""Every other method, whatever somebody calls it."""
UNMATCHED = "(unmatched)"
"""The route of requests that no route matches."""


class CountedConnections(Protocol):
    """The connections of a process, as metrics see them."""

    ended: Counter[str]
    """How many were ended before their request reached the API, by the reason."""

    def __len__(self) -> int: ...


class Metrics:
    """What one process counts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Histogram(
            "reprise_http_request_duration_seconds",
            "Duration of requests, from the head to the end of the answer.",
            ("route", "method", "status"),
            buckets=SECONDS,
            registry=self.registry,
        )
        self._series: dict[tuple[str, str, int], Histogram] = {}
        self.in_flight = gauge(self, "http_requests_in_flight", "Requests in progress.")
        self._connections = gauge(self, "http_connections_open", "Open connections of this process.")
        self._ended = gauge(
            self,
            "http_connections_ended",
            "Connections ended before their request reached the API, by reason.",
            "reason",
        )

    def count(self, route: str | None, method: str, status: int, seconds: float) -> None:
        """One request was answered."""
        key = (route or UNMATCHED, method if method in METHODS else OTHER, status)
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = self._requests.labels(*key)
        series.observe(seconds)

    def look_at(self, connections: CountedConnections) -> None:
        """Take over what the process counts about its connections."""
        self._connections.set(len(connections))
        for reason, times in connections.ended.items():
            self._ended.labels(reason).set(times)


def gauge(metrics: Metrics, name: str, documentation: str, *labels: str) -> Gauge:
    """A number that is told with the process's own, under the prefix of all."""
    return Gauge(f"reprise_{name}", documentation, labels, registry=metrics.registry)
