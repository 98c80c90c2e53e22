"""Operations: is it alive, is it ready, how does it do. Open to everybody who can reach the port; nothing personal."""

import msgspec
from litestar import Controller, get
from prometheus_client import CONTENT_TYPE_LATEST

from api.answers import Answer, Document
from api.problems import Check, Kind, Refused
from api.requests import ApiRequest
from application.queries import ProjectionStatus

READY_LAG_SECONDS = 60.0
"""A read model that is further behind than this makes the service not ready."""


class Health(msgspec.Struct, frozen=True):
    """The process answers."""

    status: str = "ok"


class Readiness(msgspec.Struct, frozen=True):
    """All that readiness depends on is as it should be."""

    status: str
    checks: list[Check]


class OperationsController(Controller):
    """What whoever runs the service looks at."""

    path = "/"
    tags = ("Operations",)

    @get("/healthz", public=True)
    async def check_health(self) -> Answer[Health]:
        """The process lives; says nothing of what it depends on."""
        return Answer(Health(), [])

    @get("/readyz", public=True, refusals=(Kind.NOT_READY,))
    async def check_readiness(self, request: ApiRequest) -> Answer[Readiness]:
        """The database answers, and every read model is healthy and close to the log; 503 names the one that is not."""
        checks = [Check(name="database", ok=True)]
        checks += [_check(status) for status in await request.service.projections.statuses()]
        if not all(check.ok for check in checks):
            raise Refused(Kind.NOT_READY, checks=checks)
        return Answer(Readiness("ready", checks), [])

    @get("/metrics", public=True)
    async def read_metrics(self, request: ApiRequest) -> Document:
        """Requests by route and status, the log's head, each read model's position and lag, for Prometheus."""
        return Document(await request.app.state.metrics.render(request.service), CONTENT_TYPE_LATEST)


def _check(status: ProjectionStatus) -> Check:
    return Check(
        name=f"projection {status.name}",
        ok=status.healthy and status.lag_seconds <= READY_LAG_SECONDS,
        lag_events=status.lag_events,
        lag_seconds=round(status.lag_seconds, 3),
        failure=status.failure,
    )
