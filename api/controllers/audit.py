"""Audit: facts about all accounts, searched."""

from typing import Annotated
from uuid import UUID

from litestar import Controller, get
from litestar.params import QueryParameter

from api.answers import Answer, PageView, page_of
from api.permissions import Permission
from api.problems import Kind
from api.queries import Cursor, Limit, instant, page_request
from api.requests import ApiRequest
from api.views import FactView, fact
from application.queries import AuditFilter

ByActor = Annotated[
    str | None, QueryParameter(name="actor", max_length=300, description="Who did it, as `role:id` (`support:alice`).")
]
AboutUser = Annotated[UUID | None, QueryParameter(name="user", description="Whose account.")]
OfTopic = Annotated[
    str | None, QueryParameter(name="topic", max_length=100, description="What happened (`user.suspended`).")
]
From = Annotated[
    str | None, QueryParameter(format="date-time", name="from", description="Recorded at this instant or later.")
]
To = Annotated[str | None, QueryParameter(format="date-time", name="to", description="Recorded before this instant.")]
InCommand = Annotated[UUID | None, QueryParameter(name="command", description="In which command.")]
Correlated = Annotated[UUID | None, QueryParameter(name="correlation", description="With which Correlation-Id.")]


class AuditController(Controller):
    """Everything that was ever done."""

    path = "/audit/events"
    tags = ("Audit",)

    @get(permission=Permission.AUDIT_READ, refusals=(Kind.CURSOR_INVALID,))
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
        """Facts in the order of the log, without their content; all given filters must hold."""
        wanted = AuditFilter(
            actor=actor,
            user_id=user,
            topic=topic,
            recorded_from=instant(recorded_from, "from"),
            recorded_to=instant(recorded_to, "to"),
            command_id=command,
            correlation_id=correlation,
        )
        page = await request.service.timeline.search(wanted, page_request(request, limit, cursor))
        return page_of(page, [fact(entry) for entry in page.items])
