"""History: the timeline of an account, and its state at any moment."""

import re
from typing import Annotated
from uuid import UUID

from litestar import Controller, get
from litestar.params import FromPath, QueryParameter

from api.access_records.recording import put_on_record
from api.history.diff_views import UserDiffView, user_diff_view
from api.history.person_views import PersonDiffView, PersonFactView, person_diff, person_fact
from api.history.views import FactWithDataView, fact_with_data
from api.http.answers import Answer, PageView, page_view, position_header
from api.http.permissions import Permission
from api.http.problems import Kind, Refused
from api.http.query_parameters import HIGHEST_POSITION, HIGHEST_VERSION, Cursor, Limit, instant, page_request, reached
from api.http.requests import ApiRequest
from api.users.views import UserStateView, user_state
from application.history.queries import Timeline, TimelineItem
from application.history.timeline import is_shown_to_people
from application.queries import Page
from application.users.diff import DiffIsBackwardsError
from application.users.queries import Moment, Users
from domain import errors
from domain.access_records.access_record import Reading

AtVersion = Annotated[
    int | None,
    QueryParameter(name="version", ge=1, le=HIGHEST_VERSION, description="As of this version of the user."),
]
AtPosition = Annotated[
    int | None,
    QueryParameter(name="position", ge=0, le=HIGHEST_POSITION, description="As of this log position."),
]
AtInstant = Annotated[
    str | None, QueryParameter(format="date-time", name="at", description="As of this instant, by the log's clock.")
]

From = Annotated[
    str,
    QueryParameter(name="from", max_length=40, description="A version (0 is before the registration), or an instant."),
]
To = Annotated[
    str | None, QueryParameter(name="to", max_length=40, description="A version or an instant (default: now).")
]
_VERSION = re.compile("[0-9]{1,10}")


class HistoryController(Controller):
    """One user's past."""

    path = "/users/{user_id:str}"
    tags = ("History",)

    @get(
        "/events",
        permission=Permission.USERS_TIMELINE,
        reads=Reading.TIMELINE,
        refusals=(errors.UserNotFound, Kind.CURSOR_INVALID, Kind.HISTORY_UNREADABLE),
    )
    async def get_timeline(
        self, request: ApiRequest, user_id: FromPath[UUID], limit: Limit = 50, cursor: Cursor = None
    ) -> Answer[PageView[FactWithDataView] | PageView[PersonFactView]]:
        """All events of the account, oldest first: what, when, by whom, why.

        People see in which role somebody acted on their account, but not who it was, and no events about email claims.
        An event that cannot be read is listed as `unreadable`, without content.
        """
        page = await request.service.using(Timeline).of_user(user_id, page_request(request, limit, cursor))
        if not page.items and cursor is None:
            await _must_exist(request, user_id)
        put_on_record(request, Reading.TIMELINE, (user_id,))
        view = _timeline_of_person(page) if request.access.is_person else _timeline(page)
        return Answer(view, [position_header(page.position)])

    @get(
        "/state",
        permission=Permission.USERS_STATE,
        reads=Reading.STATE,
        refusals=(Kind.MOMENT_NOT_FOUND, Kind.HISTORY_UNREADABLE),
    )
    async def get_state(
        self,
        request: ApiRequest,
        user_id: FromPath[UUID],
        version: AtVersion = None,
        position: AtPosition = None,
        at: AtInstant = None,
    ) -> Answer[UserStateView]:
        """The user as of a version, a log position or an instant. Name exactly one of these."""
        if [version, position, at].count(None) != 2:  # noqa: PLR2004 - of three
            raise Refused(
                Kind.PARAMETER_INVALID, source="query", detail="Name exactly one of version, position and at."
            )
        head = await reached(request, await request.service.log.head())
        moment = Moment(version=version, position=position, at=instant(at, "at"))
        found = await request.service.using(Users).user_at(user_id, moment)
        if found is None:
            raise await _not_then(request, user_id, moment)
        put_on_record(request, Reading.STATE, (user_id,))
        return Answer(user_state(found), [position_header(head)])

    @get(
        "/diff",
        permission=Permission.USERS_STATE,
        reads=Reading.DIFF,
        refusals=(Kind.MOMENT_NOT_FOUND, Kind.HISTORY_UNREADABLE),
    )
    async def get_diff(
        self, request: ApiRequest, user_id: FromPath[UUID], old: From, new: To = None
    ) -> Answer[UserDiffView | PersonDiffView]:
        """What changed about the user between two moments: each field, and the event that changed it last.

        People see in which role somebody made a change, but not who it was.
        """
        head = await reached(request, await request.service.log.head())
        before, after = _moment(old, "from"), Moment(position=head) if new is None else _moment(new, "to")
        try:
            found = await request.service.using(Users).diff(user_id, before, after)
        except DiffIsBackwardsError:
            detail = "The moment `from` must not be later than `to`."
            raise Refused(Kind.PARAMETER_INVALID, "from", "query", detail=detail) from None
        if found is None:
            raise await _not_then(request, user_id, before, after)
        put_on_record(request, Reading.DIFF, (user_id,))
        view = person_diff(found) if request.access.is_person else user_diff_view(found)
        return Answer(view, [position_header(head)])


def _timeline(page: Page[TimelineItem]) -> PageView[FactWithDataView]:
    return page_view(page, [fact_with_data(item) for item in page.items])


def _timeline_of_person(page: Page[TimelineItem]) -> PageView[PersonFactView]:
    return page_view(page, [person_fact(item) for item in page.items if is_shown_to_people(item.entry)])


def _moment(text: str, name: str) -> Moment:
    """A version in digits, or an instant."""
    if not _VERSION.fullmatch(text):
        return Moment(at=instant(text, name))
    if int(text) > HIGHEST_VERSION:
        raise Refused(Kind.PARAMETER_INVALID, name, "query")
    return Moment(version=int(text))


async def _not_then(request: ApiRequest, user_id: UUID, *moments: Moment) -> Refused:
    """Refuse a moment at which there is nothing, and say why: no such user, no such version, or too early."""
    user, _ = await request.service.using(Users).user(user_id)
    if user is None:
        return Refused(Kind.MOMENT_NOT_FOUND)
    if any((moment.version or 0) > user.version for moment in moments):
        return Refused(Kind.MOMENT_NOT_FOUND, detail="This user does not have this version.")
    return Refused(Kind.MOMENT_NOT_FOUND, detail="This user was registered after that moment.")


async def _must_exist(request: ApiRequest, user_id: UUID) -> None:
    """Raise `UserNotFound` for an unknown user, whose timeline would look empty; a new one's may still be."""
    user, _ = await request.service.using(Users).user(user_id)
    if user is None:
        raise errors.UserNotFound
