"""Metrics of one process, in the form of Prometheus. Labels are route templates, never paths."""

from collections import Counter
from typing import Protocol

import structlog
from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest

from application.ports import Service
from application.proof.queries import NotSealedError

log = structlog.get_logger(__name__)

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
        """Everything that is ever told; what others know is asked for when it is."""
        self.registry = CollectorRegistry()
        self._requests = Histogram(
            "reprise_http_request_duration_seconds",
            "Duration of requests, from the head to the end of the answer.",
            ("route", "method", "status"),
            buckets=SECONDS,
            registry=self.registry,
        )
        self._series: dict[tuple[str, str, int], Histogram] = {}
        self.in_flight = _gauge(self, "http_requests_in_flight", "Requests in progress.")
        self._connections = _gauge(self, "http_connections_open", "Open connections of this process.")
        self._ended = _gauge(
            self,
            "http_connections_ended",
            "Connections ended before their request reached the API, by reason.",
            "reason",
        )
        self._head = _gauge(self, "log_head_position", "The last position of the log.")
        self._head_bytes = _gauge(
            self, "log_head_bytes", "Size of the table with the log's end, which grows under an old snapshot."
        )
        self._sealed = _gauge(self, "log_sealed_size", "Number of events that the newest checkpoint covers.")
        self._accesses_waiting = _gauge(
            self, "access_records_waiting", "Readings of personal data waiting to be recorded."
        )
        self._accesses_lost = _gauge(
            self, "access_records_lost", "Readings of personal data that this process could not record."
        )
        self._undelivered = _gauge(
            self, "mails_undelivered", "Mails rejected for good, or waiting for a retry.", "state"
        )
        self._reachable = _gauge(self, "database_reachable", "Whether the database answered this scrape.")
        self._position = _gauge(self, "projection_position", "Position up to which the log is folded.", "projection")
        self._lag_events = _gauge(self, "projection_lag_events", "Events not folded yet.", "projection")
        self._lag_seconds = _gauge(
            self, "projection_lag_seconds", "Age of the oldest event not folded yet.", "projection"
        )
        self._rate = _gauge(self, "projection_events_per_second", "Events folded per second, lately.", "projection")
        self._letters = _gauge(self, "projection_letters", "Events that could not be folded.", "projection")
        self._healthy = _gauge(
            self, "projection_healthy", "Whether no event failed to fold and no row was found wrong.", "projection"
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

    async def render(self, service: Service) -> bytes:
        """All metrics as text; those of the process even if the database does not answer."""
        self._accesses_waiting.set(service.accesses.waiting)
        self._accesses_lost.set(service.accesses.lost)
        try:
            await self._ask(service)
            self._reachable.set(1)
        except Exception as error:  # noqa: BLE001 - metrics are needed most when things fail
            log.warning("metrics.incomplete", error=type(error).__name__)
            self._reachable.set(0)
        return generate_latest(self.registry)

    async def _ask(self, service: Service) -> None:
        self._head.set(await service.log.head())
        self._head_bytes.set(await service.log.head_octets())
        self._sealed.set(await _sealed_size(service))
        mails = await service.mails.undelivered()
        self._undelivered.labels("refused").set(mails.refused)
        self._undelivered.labels("waiting").set(mails.waiting)
        for status in await service.projections.statuses():
            self._position.labels(status.name).set(status.position)
            self._lag_events.labels(status.name).set(status.lag_events)
            self._lag_seconds.labels(status.name).set(status.lag_seconds)
            self._rate.labels(status.name).set(status.events_per_second)
            self._letters.labels(status.name).set(status.letters)
            self._healthy.labels(status.name).set(status.healthy)


async def _sealed_size(service: Service) -> int:
    try:
        return (await service.proofs.checkpoint()).size
    except NotSealedError:
        return 0


def _gauge(metrics: Metrics, name: str, documentation: str, *labels: str) -> Gauge:
    return Gauge(f"reprise_{name}", documentation, labels, registry=metrics.registry)
