"""Erasure: an administrator has a person forgotten, at once and for good."""

from uuid import UUID

from litestar import Controller, get, post
from litestar.params import FromPath, JSONBody

from api.answers import Answer, Receipt, done, position_header
from api.commands import run
from api.controllers.suspension import StatedReason
from api.erasure_views import ErasureView, erasure_view
from api.permissions import Permission
from api.problems import Kind, Refused
from api.queries import reached
from api.requests import ApiRequest
from application.erase_user import EraseUser, erase_user
from domain import errors
from domain.values import parse_reason


class ErasureController(Controller):
    """The erasure of one user."""

    path = "/users/{user_id:str}/erasure"
    tags = ("Deletion",)

    @post(
        permission=Permission.USERS_ERASE,
        status_code=200,
        refusals=(errors.UserNotFound, errors.VersionIsStale, errors.ReasonInvalid),
    )
    async def erase_user(
        self, request: ApiRequest, user_id: FromPath[UUID], data: JSONBody[StatedReason]
    ) -> Answer[Receipt]:
        """Erase a user now, for a reason that stays on record: name the case in it, and nobody.

        Nothing personal about them can be read from then on, anywhere, by anybody, and nothing brings it back. The log
        stays as it is, and their addresses become free. Erasing an erased user changes nothing.
        """
        reason = parse_reason(data.reason)
        return done(await run(request, erase_user, EraseUser(user_id=user_id), reason=reason))

    @get(permission=Permission.USERS_ERASURE_READ, refusals=(Kind.ERASURE_NOT_FOUND,))
    async def get_erasure(self, request: ApiRequest, user_id: FromPath[UUID]) -> Answer[ErasureView]:
        """The receipt: who had the user erased, when and why, and the proof that this is in the log.

        `sweptAt` is null until nothing is left in what is kept beside the log; `proof`, until the log is sealed so far,
        about a second.
        """
        head = await reached(request, await request.service.log.head())
        found = await erasure_view(request.service, user_id)
        if found is None:
            raise Refused(Kind.ERASURE_NOT_FOUND)
        return Answer(found, [position_header(head)])
