"""Badges: give one, list somebody's."""

from uuid import UUID

from litestar import Controller, get, post
from litestar.params import FromPath, JSONBody

from api.badges.views import AwardView, BadgeReceipt, BadgesView, badges_view
from api.http.answers import Answer, created, position_header
from api.http.commands import run
from api.http.exception_handlers import EXISTING_ACCOUNT
from api.http.permissions import Permission
from api.http.query_parameters import freshness
from api.http.requests import ApiRequest
from application.badges.award_badge import AwardBadge, award_badge
from application.badges.queries import Badges


class BadgesController(Controller):
    """Somebody's badges."""

    path = "/users/{user_id:str}/badges"
    tags = ("Badges",)

    @post(permission=Permission.USERS_CHANGE, status_code=201, refusals=EXISTING_ACCOUNT)
    async def award_badge(
        self, request: ApiRequest, user_id: FromPath[UUID], data: JSONBody[AwardView]
    ) -> Answer[BadgeReceipt]:
        """Give somebody a badge."""
        command = AwardBadge(user_id=user_id, giver_id=data.giver_id, words=data.words)
        return created(await run(request, award_badge, command), BadgeReceipt, "/v1/badges")

    @get(permission=Permission.USERS_LIST)
    async def list_badges(self, request: ApiRequest, user_id: FromPath[UUID]) -> Answer[BadgesView]:
        """List somebody's badges."""
        rows, position = await request.service.using(Badges).of_user(user_id, freshness(request))
        return Answer(badges_view(list(rows)), [position_header(position)])
