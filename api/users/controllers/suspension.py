"""Suspension: staff suspend and reinstate accounts."""

from uuid import UUID

from litestar import Controller, delete, post
from litestar.params import FromPath, JSONBody

from api.http.answers import Answer, done
from api.http.commands import StatedReason, run, stated_reason
from api.http.exception_handlers import EXISTING_ACCOUNT
from api.http.permissions import Permission
from api.http.requests import ApiRequest
from api.users.views import UserReceipt
from application.users.reinstate_user import ReinstateUser, reinstate_user
from application.users.suspend_user import SuspendUser, suspend_user
from domain import errors


class SuspensionController(Controller):
    """The suspension of one user."""

    path = "/users/{user_id:str}/suspension"
    tags = ("Suspension",)

    @post(permission=Permission.USERS_SUSPEND, status_code=200, refusals=(*EXISTING_ACCOUNT, errors.ReasonInvalid))
    async def suspend_user(
        self, request: ApiRequest, user_id: FromPath[UUID], data: JSONBody[StatedReason]
    ) -> Answer[UserReceipt]:
        """Suspend a user. The reason is recorded."""
        return done(await run(request, suspend_user, SuspendUser(user_id=user_id, reason=data.reason)), UserReceipt)

    @delete(permission=Permission.USERS_REINSTATE, status_code=200, refusals=(*EXISTING_ACCOUNT, errors.ReasonInvalid))
    async def reinstate_user(
        self, request: ApiRequest, user_id: FromPath[UUID], data: JSONBody[StatedReason | None] = None
    ) -> Answer[UserReceipt]:
        """Reinstate a user. The reason is sent as content or, where DELETE cannot have any, in Reprise-Reason."""
        reason = data.reason if data else stated_reason(request) or ""
        return done(await run(request, reinstate_user, ReinstateUser(user_id=user_id, reason=reason)), UserReceipt)
