"""Operations: health, readiness and metrics, open to anybody who can reach the port. They name nobody."""

import msgspec
from litestar import Controller, get
from prometheus_client import CONTENT_TYPE_LATEST

from api.connections.open_connections import CONNECTIONS, OpenConnections
from api.http.answers import Answer, Document
from api.http.problems import Check, Failure, Kind, Refused
from api.http.requests import ApiRequest
from application.access_tokens import KeysFault
from application.operations.queries import Projections, ProjectionStatus
from application.queries import LogFault

READY_LAG_SECONDS = 60.0
"""A read model that is further behind than this makes the service not ready."""

_TOKEN_FAILURES = {
    KeysFault.MISSING: Failure.KEYS_MISSING,
    KeysFault.UNREADABLE: Failure.KEYS_UNREADABLE,
    KeysFault.EMPTY: Failure.KEYS_EMPTY,
}


class Health(msgspec.Struct, frozen=True):
    """The process is alive; `build` is the commit that it was made from, null if that is not known."""

    status: str
    version: str
    build: str | None


class Readiness(msgspec.Struct, frozen=True):
    """Every check of readiness passed."""

    status: str
    checks: list[Check]


class OperationsController(Controller):
    """What operators look at."""

    path = "/"
    tags = ("Operations",)

    @get("/healthz", public=True)
    async def check_health(self, request: ApiRequest) -> Answer[Health]:
        """Whether the process is alive, and its version and build; says nothing about what it depends on."""
        release = request.app.state.release
        return Answer(Health("ok", release.version, release.build), [])

    @get("/readyz", public=True, refusals=(Kind.NOT_READY,))
    async def check_readiness(self, request: ApiRequest) -> Answer[Readiness]:
        """Whether the log takes new events, tokens can be verified, and every read model is healthy and up to date.

        503 names the failed checks, each with a code; the logs and `/v1/projections` have the details.
        """
        checks = [Check(name="database", ok=True), _token_check(request.tokens.fault())]
        checks.append(_log_check(await request.service.log.fault()))
        checks += [_check(status) for status in await request.service.using(Projections).statuses()]
        if not all(check.ok for check in checks):
            raise Refused(Kind.NOT_READY, checks=checks)
        return Answer(Readiness("ready", checks), [])

    @get("/metrics", public=True)
    async def read_metrics(self, request: ApiRequest) -> Document:
        """Metrics for Prometheus: requests by route and status, the log's head, each read model's position and lag."""
        connections = request.scope.get(CONNECTIONS)
        if isinstance(connections, OpenConnections):
            request.app.state.metrics.look_at(connections)
        return Document(await request.app.state.service_metrics.render(request.service), CONTENT_TYPE_LATEST)


def _token_check(fault: KeysFault | None) -> Check:
    return Check(name="tokens", ok=fault is None, failure=_TOKEN_FAILURES[fault] if fault else None)


def _log_check(fault: LogFault | None) -> Check:
    return Check(name="log", ok=fault is None, failure=Failure(fault.value) if fault else None)


def _check(status: ProjectionStatus) -> Check:
    failure = _failure(status)
    return Check(
        name=f"projection {status.name}",
        ok=failure is None,
        lag_events=status.lag_events,
        lag_seconds=round(status.lag_seconds, 3),
        failure=failure,
    )


def _failure(status: ProjectionStatus) -> Failure | None:
    if status.fault is not None:
        return Failure(status.fault.value)
    return Failure.BEHIND if status.lag_seconds > READY_LAG_SECONDS else None
