"""Consents: people grant or withdraw consent to a purpose."""

from uuid import UUID

from litestar import Controller, put
from litestar.params import FromPath, JSONBody

from api.http.answers import Answer, done
from api.http.commands import run
from api.http.exception_handlers import EXISTING_ACCOUNT
from api.http.permissions import Permission
from api.http.problems import Place, parsed
from api.http.requests import ApiRequest
from api.users.views import UserReceipt
from application.users.record_consent import ConsentChoice, RecordConsent, record_consent
from domain import errors
from domain.users.values import parse_purpose


class ConsentsController(Controller):
    """The consent to one purpose."""

    path = "/users/{user_id:str}/consents/{purpose:str}"
    tags = ("Consents",)

    @put(
        permission=Permission.USERS_CONSENT,
        refusals=(
            *EXISTING_ACCOUNT,
            errors.ConsentPurposeInvalid,
            errors.DocumentVersionInvalid,
            errors.TooManyConsentPurposes,
        ),
    )
    async def record_consent(
        self, request: ApiRequest, user_id: FromPath[UUID], purpose: FromPath[str], data: JSONBody[ConsentChoice]
    ) -> Answer[UserReceipt]:
        """Grant or withdraw consent to a purpose, as described in a version of a document. Idempotent."""
        named = parsed(parse_purpose, purpose, Place("path", "purpose"))
        command = RecordConsent(user_id=user_id, purpose=named, choice=data)
        return done(await run(request, record_consent, command), UserReceipt)
