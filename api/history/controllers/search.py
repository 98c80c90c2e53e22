"""Audit: search the events of all accounts."""

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Controller, get
from litestar.di import NamedDependency, Provide
from litestar.params import QueryParameter

from api.access_records.recording import put_on_record
from api.history.export_formats import FORM_OF, ExportFormat, exported
from api.history.views import FactView, fact
from api.http.answers import Answer, PageView, Streamed, page_of, position_header
from api.http.content_negotiation import preferred
from api.http.permissions import Permission
from api.http.problems import Kind
from api.http.query_parameters import (
    Cursor,
    Limit,
    RecordedFrom,
    RecordedTo,
    actor_filter,
    freshness,
    instant,
    page_request,
    parsed_filter,
)
from api.http.requests import ApiRequest
from application.history.queries import AuditFilter, Timeline
from application.history.topics import parse_topic
from domain.access_records.access_record import Reading

ByActor = Annotated[
    str | None,
    QueryParameter(
        name="actor", max_length=300, description="Events recorded for this actor, as `role:id` (`support:alice`)."
    ),
]
AboutUser = Annotated[UUID | None, QueryParameter(name="user", description="Whose account.")]
OfTopic = Annotated[
    str | None, QueryParameter(name="topic", max_length=100, description="Events of this topic (`user.suspended`).")
]
InCommand = Annotated[UUID | None, QueryParameter(name="command", description="Events of the command with this id.")]
Correlated = Annotated[
    UUID | None, QueryParameter(name="correlation", description="Events of commands with this Correlation-Id.")
]
Form = Annotated[
    ExportFormat | None,
    QueryParameter(name="format", description="The format; if not given, the one that Accept prefers."),
]


async def audit_filter(
    actor: ByActor = None,
    user: AboutUser = None,
    topic: OfTopic = None,
    recorded_from: RecordedFrom = None,
    recorded_to: RecordedTo = None,
    command: InCommand = None,
    correlation: Correlated = None,
) -> AuditFilter:
    """The filter in a query. Raises `Refused`."""
    return AuditFilter(
        actor=actor_filter(actor),
        user_id=user,
        topic=None if topic is None else parsed_filter(parse_topic, topic, "topic"),
        recorded_from=instant(recorded_from, "from"),
        recorded_to=instant(recorded_to, "to"),
        command_id=command,
        correlation_id=correlation,
    )


FILTER = {"wanted": Provide(audit_filter)}


class AuditController(Controller):
    """The events of all accounts."""

    path = "/audit/events"
    tags = ("Audit",)
    dependencies = FILTER

    @get(permission=Permission.AUDIT_READ, reads=Reading.SEARCH, refusals=(Kind.CURSOR_INVALID,))
    async def search_events(
        self,
        request: ApiRequest,
        wanted: NamedDependency[AuditFilter],
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Answer[PageView[FactView]]:
        """Find events, in the order of the log, without their content. Filters are combined with AND."""
        page = await request.service.using(Timeline).search(wanted, page_request(request, limit, cursor))
        put_on_record(request, Reading.SEARCH, list({entry.user_id for entry in page.items}))
        return page_of(page, [fact(entry) for entry in page.items])

    @get("/export", permission=Permission.AUDIT_READ, reads=Reading.EXPORT, media_types=tuple(FORM_OF))
    async def export_events(
        self,
        request: ApiRequest,
        wanted: NamedDependency[AuditFilter],
        form: Form = None,
    ) -> Streamed:
        """Export all events that a search finds, as JSON Lines, CSV or a JSON batch of CloudEvents 1.0.

        The export ends at the `Log-Position` in its header. If the connection is cut before the end of the content, the
        export is incomplete.
        """
        found = await request.service.using(Timeline).all_of(wanted, freshness(request))
        people = [] if wanted.user_id is None else [wanted.user_id]
        put_on_record(request, Reading.EXPORT, people, msgspec.json.encode(wanted).decode())
        form = form or FORM_OF[preferred(request.header(b"accept"), tuple(FORM_OF)) or b""]
        return Streamed(exported(found, form), form.media_type, [position_header(found.position)])
