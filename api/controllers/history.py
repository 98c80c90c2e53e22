"""History: what was done to an account, and what the account was at any moment."""

from typing import Annotated
from uuid import UUID

from litestar import Controller, get
from litestar.params import FromPath, QueryParameter

from api.answers import Answer, PageView, page_of, position_header
from api.permissions import Permission
from api.problems import Kind, Refused
from api.queries import HIGHEST_POSITION, HIGHEST_VERSION, Cursor, Limit, instant, page_request, reached
from api.requests import ApiRequest
from api.views import FactWithDataView, UserStateView, fact_with_data, user_state
from application.queries import Moment
from domain import errors

AtVersion = Annotated[
    int | None,
    QueryParameter(name="version", ge=1, le=HIGHEST_VERSION, description="After this many facts about the user."),
]
AtPosition = Annotated[
    int | None,
    QueryParameter(name="position", ge=0, le=HIGHEST_POSITION, description="After this position of the log."),
]
AtInstant = Annotated[
    str | None, QueryParameter(format="date-time", name="at", description="At this instant, on the log's clock.")
]


class HistoryController(Controller):
    """One user's past."""

    path = "/users/{user_id:str}"
    tags = ("History",)

    @get("/events", permission=Permission.USERS_TIMELINE, refusals=(errors.UserNotFound, Kind.CURSOR_INVALID))
    async def get_timeline(
        self, request: ApiRequest, user_id: FromPath[UUID], limit: Limit = 50, cursor: Cursor = None
    ) -> Answer[PageView[FactWithDataView]]:
        """Everything that was done to the account, oldest first: what, when, by whom, why."""
        page = await request.service.timeline.of_user(user_id, page_request(request, limit, cursor))
        if not page.items and cursor is None:
            await _must_exist(request, user_id)
        return page_of(page, [fact_with_data(item) for item in page.items])

    @get("/state", permission=Permission.USERS_STATE, refusals=(Kind.MOMENT_NOT_FOUND,))
    async def get_state(
        self,
        request: ApiRequest,
        user_id: FromPath[UUID],
        version: AtVersion = None,
        position: AtPosition = None,
        at: AtInstant = None,
    ) -> Answer[UserStateView]:
        """The user as they were at a version, at a position of the log, or at an instant: name exactly one of these."""
        if [version, position, at].count(None) != 2:  # noqa: PLR2004 - of three
            raise Refused(Kind.PARAMETER_INVALID, source="query", detail="Name one of version, position and at.")
        head = reached(request, await request.service.log.head())
        moment = Moment(version=version, position=position, at=instant(at, "at"))
        found = await request.service.users.user_at(user_id, moment)
        if found is None:
            raise Refused(Kind.MOMENT_NOT_FOUND)
        return Answer(user_state(found), [position_header(head)])


async def _must_exist(request: ApiRequest, user_id: UUID) -> None:
    """Facts reach the timeline a little later than the log; nobody's timeline is not an empty one."""
    user, _ = await request.service.users.user(user_id)
    if user is None:
        raise errors.UserNotFound
