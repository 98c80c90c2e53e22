"""Email addresses: ask for another one, and confirm that one receives its mail."""

from uuid import UUID

import msgspec
from litestar import Controller, post
from litestar.params import FromPath, JSONBody

from api.answers import Answer, Receipt, done
from api.commands import run, run_as
from api.permissions import Permission
from api.refusals import OPEN_ACCOUNT
from api.requests import ApiRequest
from application.actors import Actor, Role
from application.confirm_email import ConfirmEmail, confirm_email
from application.record_filters import RECIPIENT_OF_MAIL
from application.request_email_change import RequestEmailChange, request_email_change
from domain import errors

RECIPIENT = Actor(Role.USER, RECIPIENT_OF_MAIL)
"""Whoever has the mailed token, which is all that is known of them."""


class WantedAddress(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The address that is to become the user's."""

    email: str


class EmailChangeController(Controller):
    """The wish for another address."""

    path = "/users/{user_id:str}/email-change"
    tags = ("Email addresses",)

    @post(
        permission=Permission.USERS_CHANGE_EMAIL,
        status_code=200,
        refusals=(
            *OPEN_ACCOUNT,
            errors.EmailTaken,
            errors.TooManyEmailRequests,
            errors.EmailInvalid,
            errors.EmailDomainReserved,
        ),
    )
    async def request_email_change(
        self, request: ApiRequest, user_id: FromPath[UUID], data: JSONBody[WantedAddress]
    ) -> Answer[Receipt]:
        """Mail a token to another address, which makes it the user's. The present one stays until then.

        It is reserved for as long as the token is good, unless it was reserved before. Staff and services get 409 if it
        is in use. People do not learn that, but its holder is told by mail. 429 if too many mails were asked for.
        """
        is_person = request.access.is_person
        command = RequestEmailChange(user_id=user_id, email=data.email, discloses_holder=not is_person)
        return done(await run(request, request_email_change, command))


class EmailVerificationsController(Controller):
    """Tokens that come back."""

    path = "/email-verifications"
    tags = ("Email addresses",)

    @post(public=True, status_code=200, refusals=(*OPEN_ACCOUNT, errors.VerificationTokenInvalid))
    async def confirm_email(self, request: ApiRequest, data: JSONBody[ConfirmEmail]) -> Answer[Receipt]:
        """Confirm an address with the token that was mailed to it, once, in time. The token is all the proof needed."""
        return done(await run_as(RECIPIENT, f"recipient\n{data.token}", request, confirm_email, data))
