"""Accesses: who read whose personal data, when and why."""

from typing import Annotated
from uuid import UUID

from litestar import Controller, get
from litestar.params import QueryParameter

from api.access_records.views import AccessView, access_view
from api.http.answers import Answer, PageView, page_of
from api.http.permissions import Permission
from api.http.problems import Kind
from api.http.query_parameters import (
    Cursor,
    Limit,
    RecordedFrom,
    RecordedTo,
    actor_filter,
    instant,
    page_request,
)
from api.http.requests import ApiRequest
from application.access_records.recording import AccessFilter, AccessLog
from domain.access_records.access_record import Reading

ByActor = Annotated[
    str | None,
    QueryParameter(name="actor", max_length=300, description="Readings by this actor, as `role:id` (`support:alice`)."),
]
OfUser = Annotated[UUID | None, QueryParameter(name="user", description="Whose data.")]
OfKind = Annotated[Reading | None, QueryParameter(name="reading", description="What was read.")]


class AccessesController(Controller):
    """The access records."""

    path = "/audit/accesses"
    tags = ("Audit",)

    @get(permission=Permission.AUDIT_READ, refusals=(Kind.CURSOR_INVALID,))
    async def list_accesses(
        self,
        request: ApiRequest,
        actor: ByActor = None,
        user: OfUser = None,
        reading: OfKind = None,
        recorded_from: RecordedFrom = None,
        recorded_to: RecordedTo = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Answer[PageView[AccessView]]:
        """Find out who read whose personal data, in the order of the log. Filters are combined with AND.

        A record appears about a second after the answer that it is about. Reading these records is not recorded.
        """
        wanted = AccessFilter(
            actor=actor_filter(actor),
            user_id=user,
            reading=reading,
            recorded_from=instant(recorded_from, "from"),
            recorded_to=instant(recorded_to, "to"),
        )
        page = await request.service.using(AccessLog).page(wanted, page_request(request, limit, cursor))
        return page_of(page, [access_view(entry) for entry in page.items])
