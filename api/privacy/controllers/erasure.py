"""Erasure: an administrator erases a person, immediately and permanently."""

from uuid import UUID

from litestar import Controller, get, post
from litestar.params import FromPath, JSONBody

from api.http.answers import Answer, done, position_header
from api.http.commands import StatedReason, run
from api.http.permissions import Permission
from api.http.problems import Kind, Refused
from api.http.query_parameters import reached
from api.http.requests import ApiRequest
from api.privacy.erasure_views import ErasureView, erasure_view
from api.users.views import UserReceipt
from application.privacy.erase_user import EraseUser, erase_user
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
    ) -> Answer[UserReceipt]:
        """Erase a user now. The reason is recorded and stays readable: refer to the case and name nobody.

        Nobody can read the person's data any more, and it cannot be restored. The log stays unchanged, and the user's
        addresses become available. Erasing an erased user changes nothing. Unreadable accounts can be erased, too.
        """
        reason = parse_reason(data.reason)
        return done(await run(request, erase_user, EraseUser(user_id=user_id), reason=reason), UserReceipt)

    @get(permission=Permission.USERS_ERASURE_READ, refusals=(Kind.ERASURE_NOT_FOUND,))
    async def get_erasure(self, request: ApiRequest, user_id: FromPath[UUID]) -> Answer[ErasureView]:
        """The receipt of an erasure: who requested it, when and why, and the proof that it is in the log.

        `sweptAt` is null until the data stored beside the log is deleted, too; `proof` is null until a checkpoint
        covers the erasure, about a second.
        """
        head = await reached(request, await request.service.log.head())
        found = await erasure_view(request.service, user_id)
        if found is None:
            raise Refused(Kind.ERASURE_NOT_FOUND)
        return Answer(found, [position_header(head)])
