"""Deactivation: people deactivate and reactivate their account."""

from uuid import UUID

from litestar import Controller, delete, post
from litestar.params import FromPath

from api.http.answers import Answer, done
from api.http.commands import run
from api.http.exception_handlers import EXISTING_ACCOUNT
from api.http.permissions import Permission
from api.http.requests import ApiRequest
from api.users.views import UserReceipt
from application.users.deactivate_user import DeactivateUser, deactivate_user
from application.users.reactivate_user import ReactivateUser, reactivate_user
from domain import errors

NOT_WHILE = (*EXISTING_ACCOUNT, errors.UserIsSuspended, errors.DeletionIsPending)


class DeactivationController(Controller):
    """The deactivation of one user."""

    path = "/users/{user_id:str}/deactivation"
    tags = ("Deactivation",)

    @post(permission=Permission.USERS_DEACTIVATE, status_code=200, refusals=NOT_WHILE)
    async def deactivate_user(self, request: ApiRequest, user_id: FromPath[UUID]) -> Answer[UserReceipt]:
        """Deactivate a user. 409 while suspended or waiting to be deleted."""
        return done(await run(request, deactivate_user, DeactivateUser(user_id=user_id)), UserReceipt)

    @delete(permission=Permission.USERS_DEACTIVATE, status_code=200, refusals=NOT_WHILE)
    async def reactivate_user(self, request: ApiRequest, user_id: FromPath[UUID]) -> Answer[UserReceipt]:
        """Reactivate a user. 409 while suspended or waiting to be deleted."""
        return done(await run(request, reactivate_user, ReactivateUser(user_id=user_id)), UserReceipt)
