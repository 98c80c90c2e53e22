"""Deletion: people request it, and can withdraw the request until the grace period ends."""

from uuid import UUID

from litestar import Controller, delete, post
from litestar.params import FromPath

from api.http.answers import Answer, done
from api.http.commands import run
from api.http.exception_handlers import EXISTING_ACCOUNT
from api.http.permissions import Permission
from api.http.requests import ApiRequest
from api.users.views import UserReceipt
from application.users.request_deletion import RequestDeletion, request_deletion
from application.users.withdraw_deletion import WithdrawDeletion, withdraw_deletion
from domain import errors


class DeletionController(Controller):
    """The pending deletion of one user."""

    path = "/users/{user_id:str}/deletion"
    tags = ("Deletion",)

    @post(permission=Permission.USERS_DELETE, status_code=200, refusals=EXISTING_ACCOUNT)
    async def request_deletion(self, request: ApiRequest, user_id: FromPath[UUID]) -> Answer[UserReceipt]:
        """Request that a user is erased when the grace period ends. Repeating the request does not extend it."""
        return done(await run(request, request_deletion, RequestDeletion(user_id=user_id)), UserReceipt)

    @delete(
        permission=Permission.USERS_DELETE,
        status_code=200,
        refusals=(*EXISTING_ACCOUNT, errors.GracePeriodIsOver),
    )
    async def withdraw_deletion(self, request: ApiRequest, user_id: FromPath[UUID]) -> Answer[UserReceipt]:
        """Withdraw the request for deletion. 409 when the grace period has ended."""
        return done(await run(request, withdraw_deletion, WithdrawDeletion(user_id=user_id)), UserReceipt)
