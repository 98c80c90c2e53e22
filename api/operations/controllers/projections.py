"""Projections: the state of read models, and their rebuilds."""

from uuid import UUID

import msgspec
from litestar import Controller, get, post
from litestar.params import FromPath

from api.http.answers import Answer, Streamed, position_header
from api.http.permissions import Permission
from api.http.problems import Kind, Refused
from api.http.query_parameters import reached
from api.http.requests import ApiRequest
from api.operations.rebuild_progress import EVENT_STREAM, progress_of
from application.operations.queries import Projections, ProjectionStatus, RebuildStatus


class ProjectionList(msgspec.Struct, frozen=True, rename="camel"):
    """All read models."""

    items: list[ProjectionStatus]


class ProjectionsController(Controller):
    """The read models and their rebuilds."""

    path = "/projections"
    tags = ("Projections",)

    @get(permission=Permission.PROJECTIONS_READ)
    async def list_projections(self, request: ApiRequest) -> Answer[ProjectionList]:
        """The position, lag and health of each read model."""
        head = await reached(request, await request.service.log.head())
        return Answer(ProjectionList(await request.service.using(Projections).statuses()), [position_header(head)])

    @post(
        "/{name:str}/rebuilds",
        permission=Permission.PROJECTIONS_REBUILD,
        status_code=202,
        refusals=(Kind.PROJECTION_NOT_FOUND,),
    )
    async def request_rebuild(self, request: ApiRequest, name: FromPath[str]) -> Answer[RebuildStatus]:
        """Request a rebuild of a read model, which stays in use meanwhile. Joins a rebuild that is already running."""
        await request.body()
        head = await reached(request, await request.service.log.head())
        try:
            rebuild_id = await request.service.using(Projections).request_rebuild(name, str(request.access.actor))
        except LookupError:
            raise Refused(Kind.PROJECTION_NOT_FOUND) from None
        status = await _rebuild(request, name, rebuild_id)
        location = f"/v1/projections/{name}/rebuilds/{rebuild_id}".encode()
        return Answer(status, [(b"location", location), position_header(head)], status=202)

    @get(
        "/{name:str}/rebuilds/{rebuild_id:str}",
        permission=Permission.PROJECTIONS_READ,
        refusals=(Kind.REBUILD_NOT_FOUND,),
    )
    async def get_rebuild(
        self, request: ApiRequest, name: FromPath[str], rebuild_id: FromPath[UUID]
    ) -> Answer[RebuildStatus]:
        """The progress of a rebuild."""
        head = await reached(request, await request.service.log.head())
        return Answer(await _rebuild(request, name, rebuild_id), [position_header(head)])

    @get(
        "/{name:str}/rebuilds/{rebuild_id:str}/progress",
        permission=Permission.PROJECTIONS_READ,
        refusals=(Kind.REBUILD_NOT_FOUND,),
        media_types=(EVENT_STREAM,),
    )
    async def watch_rebuild(self, request: ApiRequest, name: FromPath[str], rebuild_id: FromPath[UUID]) -> Streamed:
        """The progress of a rebuild as server-sent events: `progress` at each change, `end` at the end.

        Each event contains the rebuild. The stream lasts ten minutes at most; then open another one.
        """
        head = await reached(request, await request.service.log.head())
        status = await _rebuild(request, name, rebuild_id)
        stream = progress_of(request.service.using(Projections), status)
        return Streamed(stream, EVENT_STREAM.decode(), [position_header(head)])


async def _rebuild(request: ApiRequest, name: str, rebuild_id: UUID) -> RebuildStatus:
    status = await request.service.using(Projections).rebuild(rebuild_id)
    if status is None or status.name != name:
        raise Refused(Kind.REBUILD_NOT_FOUND)
    return status
