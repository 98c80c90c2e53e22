"""All metrics of one process, in the form of Prometheus: what it counts itself, and what others know of the service."""

import structlog
from prometheus_client import generate_latest

from api.http.metrics import Metrics, gauge
from application.access_records.recording import Accesses
from application.operations.queries import Mails, Projections
from application.ports import Service
from application.proof.queries import NotSealedError, Proofs

log = structlog.get_logger(__name__)


class ServiceMetrics:
    """What is asked for when it is told."""

    def __init__(self, metrics: Metrics) -> None:
        """Told beside what the process counts itself."""
        self._registry = metrics.registry
        self._head = gauge(metrics, "log_head_position", "The last position of the log.")
        self._head_bytes = gauge(
            metrics, "log_head_bytes", "Size of the table with the log's end, which grows under an old snapshot."
        )
        self._sealed = gauge(metrics, "log_sealed_size", "Number of events that the newest checkpoint covers.")
        self._accesses_waiting = gauge(
            metrics, "access_records_waiting", "Readings of personal data waiting to be recorded."
        )
        self._accesses_lost = gauge(
            metrics, "access_records_lost", "Readings of personal data that this process could not record."
        )
        self._undelivered = gauge(
            metrics, "mails_undelivered", "Mails rejected for good, or waiting for a retry.", "state"
        )
        self._reachable = gauge(metrics, "database_reachable", "Whether the database answered this scrape.")
        self._position = gauge(metrics, "projection_position", "Position up to which the log is folded.", "projection")
        self._lag_events = gauge(metrics, "projection_lag_events", "Events not folded yet.", "projection")
        self._lag_seconds = gauge(
            metrics, "projection_lag_seconds", "Age of the oldest event not folded yet.", "projection"
        )
        self._rate = gauge(metrics, "projection_events_per_second", "Events folded per second, lately.", "projection")
        self._letters = gauge(metrics, "projection_letters", "Events that could not be folded.", "projection")
        self._healthy = gauge(
            metrics, "projection_healthy", "Whether no event failed to fold and no row was found wrong.", "projection"
        )

    async def render(self, service: Service) -> bytes:
        """All metrics as text; those of the process even if the database does not answer."""
        self._accesses_waiting.set(service.using(Accesses).waiting)
        self._accesses_lost.set(service.using(Accesses).lost)
        try:
            await self._ask(service)
            self._reachable.set(1)
        except Exception as error:  # noqa: BLE001 - metrics are needed most when things fail
            log.warning("metrics.incomplete", error=type(error).__name__)
            self._reachable.set(0)
        return generate_latest(self._registry)

    async def _ask(self, service: Service) -> None:
        self._head.set(await service.log.head())
        self._head_bytes.set(await service.log.head_octets())
        self._sealed.set(await _sealed_size(service))
        mails = await service.using(Mails).undelivered()
        self._undelivered.labels("refused").set(mails.refused)
        self._undelivered.labels("waiting").set(mails.waiting)
        for status in await service.using(Projections).statuses():
            self._position.labels(status.name).set(status.position)
            self._lag_events.labels(status.name).set(status.lag_events)
            self._lag_seconds.labels(status.name).set(status.lag_seconds)
            self._rate.labels(status.name).set(status.events_per_second)
            self._letters.labels(status.name).set(status.letters)
            self._healthy.labels(status.name).set(status.healthy)


async def _sealed_size(service: Service) -> int:
    try:
        return (await service.using(Proofs).checkpoint()).size
    except NotSealedError:
        return 0
