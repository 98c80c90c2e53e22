"""The page behind the links in mails: its button confirms an email address."""

import re
from datetime import UTC, datetime

from litestar import Controller, get, post

from api.http.answers import Document
from api.http.commands import run_as
from api.http.requests import ApiRequest
from api.pages.languages import Outcome
from api.users.confirmation_page import outcome_page, question_page, refusal_page
from api.users.controllers.email_addresses import RECIPIENT
from application.users.emails.confirm_email import ConfirmEmail, confirm_email
from application.users.mailed_links import LinkFault, MailedLinks
from domain import errors

_TOKEN = re.compile("[A-Za-z0-9_-]{1,100}")
_OUTCOME_OF = {
    LinkFault.USED: Outcome.ALREADY_CONFIRMED,
    LinkFault.EXPIRED: Outcome.EXPIRED,
    LinkFault.REPLACED: Outcome.REPLACED,
    LinkFault.TAKEN: Outcome.TAKEN,
    LinkFault.UNKNOWN: Outcome.UNKNOWN,
}


class ConfirmationPageController(Controller):
    """The page behind the links in mails. Opening it changes nothing; only its button does."""

    path = "/confirm-email"
    include_in_schema = False

    @get(public=True, page=refusal_page)
    async def ask(self, request: ApiRequest) -> Document:
        """The page with the button: the same for every token, without any look-up."""
        language = request.header(b"accept-language")
        token = _only(request.query_params.dict().get("token"))
        return question_page(token, language) if token else outcome_page(Outcome.UNKNOWN, language)

    @post(public=True, page=refusal_page, status_code=200)
    async def confirm(self, request: ApiRequest) -> Document:
        """Confirm the address, and show the outcome; only holders of a mailed token learn details."""
        token = _only((await request.html_form()).get("token"))
        outcome = await _outcome(request, token) if token else Outcome.UNKNOWN
        return outcome_page(outcome, request.header(b"accept-language"))


def _only(values: list[str] | None) -> str | None:
    """The token, if there is one and it has the form of a token."""
    return values[0] if values is not None and len(values) == 1 and _TOKEN.fullmatch(values[0]) else None


async def _outcome(request: ApiRequest, token: str) -> Outcome:
    try:
        await run_as(RECIPIENT, f"recipient\n{token}", request, confirm_email, ConfirmEmail(token=token))
    except errors.VerificationTokenInvalid:
        return _OUTCOME_OF[await request.service.using(MailedLinks).fault(token, datetime.now(UTC))]
    except (errors.UserIsSuspended, errors.UserIsDeactivated, errors.DeletionIsPending):
        return Outcome.CLOSED
    return Outcome.CONFIRMED
