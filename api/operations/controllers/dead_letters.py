"""Letters: events that a read model could not fold."""

from uuid import UUID

import msgspec
from litestar import Controller, get, post
from litestar.params import FromPath, JSONBody

from api.http.answers import Answer, position_header
from api.http.permissions import Permission
from api.http.problems import Kind, Refused
from api.http.query_parameters import reached
from api.http.requests import ApiRequest
from application.operations.queries import LetterIsSettledError, LetterStatus, Projections
from domain import errors
from domain.values import parse_reason


class LetterList(msgspec.Struct, frozen=True, rename="camel"):
    """Letters: open ones first, then by age, newest first."""

    items: list[LetterStatus]


class Resolution(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Why an event is left out of a read model for good. Do not include personal data."""

    reason: str


class LettersController(Controller):
    """The letters of one read model."""

    path = "/projections/{name:str}/letters"
    tags = ("Projections",)

    @get(permission=Permission.PROJECTIONS_READ, refusals=(Kind.PROJECTION_NOT_FOUND,))
    async def list_letters(self, request: ApiRequest, name: FromPath[str]) -> Answer[LetterList]:
        """The events that a read model could not fold: position, stream, kind of error, state."""
        head = await reached(request, await request.service.log.head())
        try:
            letters = await request.service.using(Projections).letters(name)
        except LookupError:
            raise Refused(Kind.PROJECTION_NOT_FOUND) from None
        return Answer(LetterList(letters), [position_header(head)])

    @get("/{letter_id:str}", permission=Permission.PROJECTIONS_READ, refusals=(Kind.LETTER_NOT_FOUND,))
    async def get_letter(
        self, request: ApiRequest, name: FromPath[str], letter_id: FromPath[UUID]
    ) -> Answer[LetterStatus]:
        """One letter."""
        head = await reached(request, await request.service.log.head())
        try:
            letter = await request.service.using(Projections).letter(name, letter_id)
        except LookupError:
            raise Refused(Kind.LETTER_NOT_FOUND) from None
        return Answer(letter, [position_header(head)])

    @post(
        "/{letter_id:str}/retries",
        permission=Permission.PROJECTIONS_REPAIR,
        status_code=202,
        refusals=(Kind.LETTER_NOT_FOUND, Kind.LETTER_IS_SETTLED),
    )
    async def retry_letter(
        self, request: ApiRequest, name: FromPath[str], letter_id: FromPath[UUID]
    ) -> Answer[LetterStatus]:
        """Have a worker fold the event's stream again, once the cause is fixed. The letter stays open if that fails."""
        await request.body()
        return await _asked(request, name, letter_id, None)

    @post(
        "/{letter_id:str}/resolution",
        permission=Permission.PROJECTIONS_REPAIR,
        status_code=202,
        refusals=(Kind.LETTER_NOT_FOUND, Kind.LETTER_IS_SETTLED, errors.ReasonInvalid),
    )
    async def resolve_letter(
        self, request: ApiRequest, name: FromPath[str], letter_id: FromPath[UUID], data: JSONBody[Resolution]
    ) -> Answer[LetterStatus]:
        """Leave the event out of this read model for good. The reason is recorded."""
        return await _asked(request, name, letter_id, parse_reason(data.reason))


async def _asked(request: ApiRequest, name: str, letter_id: UUID, reason: str | None) -> Answer[LetterStatus]:
    head = await reached(request, await request.service.log.head())
    by = str(request.access.actor)
    try:
        letter = await request.service.using(Projections).ask_to_settle(name, letter_id, by, reason)
    except LookupError:
        raise Refused(Kind.LETTER_NOT_FOUND) from None
    except LetterIsSettledError:
        raise Refused(Kind.LETTER_IS_SETTLED) from None
    location = f"/v1/projections/{name}/letters/{letter_id}".encode()
    return Answer(letter, [(b"location", location), position_header(head)], status=202)
