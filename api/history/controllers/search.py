"""Audit: search the events of all accounts."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Controller, get
from litestar.params import QueryParameter

from api.access_records.recording import put_on_record
from api.history.export_formats import FORM_OF, ExportFormat, exported
from api.history.views import FactView, fact
from api.http.answers import Answer, PageView, Streamed, page_of, position_header
from api.http.content_negotiation import preferred
from api.http.permissions import Permission
from api.http.problems import Kind
from api.http.query_parameters import Cursor, Limit, actor_filter, freshness, instant, page_request, parsed_filter
from api.http.requests import ApiRequest
from application.history.queries import AuditFilter, Timeline
from application.history.topics import Topic, parse_topic
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
From = Annotated[
    str | None, QueryParameter(format="date-time", name="from", description="Recorded at this instant or later.")
]
To = Annotated[str | None, QueryParameter(format="date-time", name="to", description="Recorded before this instant.")]
InCommand = Annotated[UUID | None, QueryParameter(name="command", description="Events of the command with this id.")]
Correlated = Annotated[
    UUID | None, QueryParameter(name="correlation", description="Events of commands with this Correlation-Id.")
]


Form = Annotated[
    ExportFormat | None,
    QueryParameter(name="format", description="The format; if not given, the one that Accept prefers."),
]


class AuditController(Controller):
    """The events of all accounts."""

    path = "/audit/events"
    tags = ("Audit",)

    @get(permission=Permission.AUDIT_READ, reads=Reading.SEARCH, refusals=(Kind.CURSOR_INVALID,))
    async def search_events(  # noqa: PLR0913, PLR0917 - each filter is a parameter
        self,
        request: ApiRequest,
        actor: ByActor = None,
        user: AboutUser = None,
        topic: OfTopic = None,
        recorded_from: From = None,
        recorded_to: To = None,
        command: InCommand = None,
        correlation: Correlated = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Answer[PageView[FactView]]:
        """Find events, in the order of the log, without their content. Filters are combined with AND."""
        times = (instant(recorded_from, "from"), instant(recorded_to, "to"))
        wanted = _filter(actor, user, topic, times, command, correlation)
        page = await request.service.using(Timeline).search(wanted, page_request(request, limit, cursor))
        put_on_record(request, Reading.SEARCH, list({entry.user_id for entry in page.items}))
        return page_of(page, [fact(entry) for entry in page.items])

    @get("/export", permission=Permission.AUDIT_READ, reads=Reading.EXPORT, media_types=tuple(FORM_OF))
    async def export_events(  # noqa: PLR0913, PLR0917 - each filter is a parameter
        self,
        request: ApiRequest,
        actor: ByActor = None,
        user: AboutUser = None,
        topic: OfTopic = None,
        recorded_from: From = None,
        recorded_to: To = None,
        command: InCommand = None,
        correlation: Correlated = None,
        form: Form = None,
    ) -> Streamed:
        """Export all events that a search finds, as JSON Lines, CSV or a JSON batch of CloudEvents 1.0.

        The export ends at the `Log-Position` in its header. If the connection is cut before the end of the content, the
        export is incomplete.
        """
        times = (instant(recorded_from, "from"), instant(recorded_to, "to"))
        wanted = _filter(actor, user, topic, times, command, correlation)
        found = await request.service.using(Timeline).all_of(wanted, freshness(request))
        people = [] if user is None else [user]
        put_on_record(request, Reading.EXPORT, people, msgspec.json.encode(wanted).decode())
        form = form or FORM_OF[preferred(request.header(b"accept"), tuple(FORM_OF)) or b""]
        return Streamed(exported(found, form), form.media_type, [position_header(found.position)])


def _filter(
    actor: str | None,
    user: UUID | None,
    topic: str | None,
    times: tuple[datetime | None, datetime | None],
    command: UUID | None,
    correlation: UUID | None,
) -> AuditFilter:
    return AuditFilter(
        actor=actor_filter(actor),
        user_id=user,
        topic=topic_filter(topic),
        recorded_from=times[0],
        recorded_to=times[1],
        command_id=command,
        correlation_id=correlation,
    )


def topic_filter(text: str | None) -> Topic | None:
    """A topic to search for."""
    return None if text is None else parsed_filter(parse_topic, text, "topic")
