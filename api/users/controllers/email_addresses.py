"""Email addresses: request another address, and confirm an address with a mailed token."""

from uuid import UUID

import msgspec
from litestar import Controller, post
from litestar.params import FromPath, JSONBody

from api.http.answers import Answer, done
from api.http.commands import run, run_as
from api.http.exception_handlers import OPEN_ACCOUNT
from api.http.permissions import Permission
from api.http.requests import ApiRequest
from api.users.views import UserReceipt
from application.actors import Actor, Role
from application.record_filters import RECIPIENT_OF_MAIL
from application.users.emails.confirm_email import ConfirmEmail, confirm_email
from application.users.emails.request_email_change import RequestEmailChange, request_email_change
from domain import errors

RECIPIENT = Actor(Role.USER, RECIPIENT_OF_MAIL)
"""The actor of confirmations: the recipient of the mailed token, of whom nothing else is known."""


class WantedAddress(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The new address."""

    email: str


class EmailChangeController(Controller):
    """Requests for another address."""

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
    ) -> Answer[UserReceipt]:
        """Request another address. A token is mailed to it; the current address stays until the token is confirmed.

        The address is reserved while the token is valid, unless it was reserved before. Staff and services get 409 if
        it is in use. People are not told, but the holder of the address gets a mail. 429 after too many requests.
        """
        is_person = request.access.is_person
        command = RequestEmailChange(user_id=user_id, email=data.email, discloses_holder=not is_person)
        return done(await run(request, request_email_change, command), UserReceipt)


class EmailVerificationsController(Controller):
    """Confirmation with mailed tokens."""

    path = "/email-verifications"
    tags = ("Email addresses",)

    @post(public=True, status_code=200, refusals=(*OPEN_ACCOUNT, errors.VerificationTokenInvalid))
    async def confirm_email(self, request: ApiRequest, data: JSONBody[ConfirmEmail]) -> Answer[UserReceipt]:
        """Confirm an address with the token that was mailed to it, once, before it expires. Needs no access token."""
        return done(await run_as(RECIPIENT, f"recipient\n{data.token}", request, confirm_email, data), UserReceipt)
