"""Users: register, read, list, change."""

from typing import Annotated
from uuid import UUID

from litestar import Controller, get, patch, post
from litestar.params import FromPath, JSONBody, QueryParameter

from api.access_records.recording import put_on_record
from api.http.answers import Answer, PageView, created, done, page_of, position_header
from api.http.commands import run
from api.http.exception_handlers import OPEN_ACCOUNT
from api.http.permissions import Permission
from api.http.preconditions import etag, is_known
from api.http.problems import Kind, Refused
from api.http.query_parameters import Cursor, Limit, instant, page_request, reached
from api.http.requests import ApiRequest
from api.users.views import UserListItem, UserReceipt, UserView, user_list_item, user_view
from application.users.change_profile import ChangeProfile, ProfilePatch, change_profile
from application.users.directory_search import WORDS_LIMIT, TooManyWordsError, name_or_address
from application.users.queries import Directory, DirectoryFilter, Users
from application.users.register_user import RegisterUser, register_user
from domain import errors
from domain.access_records.access_record import Reading
from domain.users.values import UserStatus
from domain.values import EmailAddress, parse_email_address

ByEmail = Annotated[
    str | None,
    QueryParameter(name="email", max_length=254, description="The user with this email address, in any spelling."),
]
ByExternalId = Annotated[
    str | None,
    QueryParameter(
        name="externalId",
        pattern="^[!-~]{1,64}$",
        description="Users with this id in another system; there may be several.",
    ),
]
Beginning = Annotated[
    str | None,
    QueryParameter(
        name="q",
        min_length=1,
        max_length=100,
        description=(
            "Beginnings of words of the display name, in any order and without regard to case and accents; or the "
            "beginning of the address. Two characters, or one that is a word in itself."
        ),
    ),
]
InCountry = Annotated[
    str | None, QueryParameter(name="country", pattern="^[A-Z]{2}$", description="Country: ISO 3166-1 alpha-2 code.")
]
HavingStatus = Annotated[UserStatus | None, QueryParameter(name="status", description="Current status of the account.")]
CreatedAfter = Annotated[
    str | None,
    QueryParameter(format="date-time", name="createdAfter", description="Users registered after this instant."),
]

EMAIL_RULES = (errors.EmailInvalid, errors.EmailDomainReserved, errors.ExternalIdInvalid)
PROFILE_RULES = (
    errors.DisplayNameBlank,
    errors.DisplayNameTooLong,
    errors.DisplayNameHasControlCharacters,
    errors.CountryUnknown,
    errors.LocaleUnknown,
    errors.BirthDateInFuture,
    errors.TooYoung,
    errors.BirthDateTooLongAgo,
)


class UsersController(Controller):
    """People's accounts."""

    path = "/users"
    tags = ("Users",)

    @post(
        permission=Permission.USERS_REGISTER,
        status_code=201,
        refusals=(errors.EmailTaken, Kind.HISTORY_UNREADABLE, *PROFILE_RULES, *EMAIL_RULES),
    )
    async def register_user(self, request: ApiRequest, data: JSONBody[RegisterUser]) -> Answer[UserReceipt]:
        """Register a user. A token to verify the address is mailed to it. 409 if the address is in use."""
        return created(await run(request, register_user, data), UserReceipt, "/v1/users")

    @get(
        "/{user_id:str}",
        permission=Permission.USERS_READ,
        conditional=True,
        reads=Reading.PROFILE,
        refusals=(errors.UserNotFound, errors.UserIsErased, Kind.HISTORY_UNREADABLE),
    )
    async def get_user(self, request: ApiRequest, user_id: FromPath[UUID]) -> Answer[UserView | None]:
        """Read one user, always current. 410 if the user has been erased."""
        user, position = await request.service.using(Users).user(user_id)
        if user is None:
            raise errors.UserNotFound
        if user.erased:
            raise errors.UserIsErased
        headers = [(b"etag", etag(user.version)), position_header(await reached(request, position))]
        if is_known(request, user.version):
            return Answer(None, headers, status=304)
        put_on_record(request, Reading.PROFILE, (user.id,))
        return Answer(user_view(user), headers)

    @get(permission=Permission.USERS_LIST, reads=Reading.LIST, refusals=(Kind.CURSOR_INVALID, Kind.HISTORY_UNREADABLE))
    async def list_users(  # noqa: PLR0913, PLR0917 - each filter is a parameter
        self,
        request: ApiRequest,
        email: ByEmail = None,
        external_id: ByExternalId = None,
        q: Beginning = None,
        country: InCountry = None,
        status: HavingStatus = None,
        created_after: CreatedAfter = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Answer[PageView[UserListItem]]:
        """Find users, in the order in which they were registered. Filters are combined with AND."""
        wanted = DirectoryFilter(
            email=None if email is None else _address(email),
            external_id=external_id,
            q=None if q is None else _beginning(q),
            country=country,
            status=status,
            created_after=instant(created_after, "createdAfter"),
        )
        page = await request.service.using(Directory).page(wanted, page_request(request, limit, cursor))
        put_on_record(request, Reading.LIST, [entry.user_id for entry in page.items])
        return page_of(page, [user_list_item(entry) for entry in page.items])

    @patch("/{user_id:str}", permission=Permission.USERS_CHANGE, refusals=(*OPEN_ACCOUNT, *PROFILE_RULES))
    async def change_profile(
        self, request: ApiRequest, user_id: FromPath[UUID], data: JSONBody[ProfilePatch]
    ) -> Answer[UserReceipt]:
        """Change the given fields of the profile (JSON merge patch, RFC 7396). Records an event for each change."""
        return done(await run(request, change_profile, ChangeProfile(user_id=user_id, patch=data)), UserReceipt)


def _address(text: str) -> EmailAddress:
    """The address in `email`. Refuses what cannot be an address, such as one whose + was not encoded."""
    try:
        return parse_email_address(text)
    except (errors.EmailInvalid, errors.EmailDomainReserved):
        detail = "This is not an email address (encode a + as %2B)."
        raise Refused(Kind.PARAMETER_INVALID, "email", "query", detail=detail) from None


def _beginning(text: str) -> str:
    """The words in `q`. A single letter begins too many names, but a single ideograph can be a whole name."""
    try:
        if name_or_address(text).says_enough:
            return text
        detail = (
            "One of the words must have two characters, or one that is a word in itself (ideographs, kana, Hangul)."
        )
    except TooManyWordsError:
        detail = f"At most {WORDS_LIMIT} words are allowed."
    raise Refused(Kind.PARAMETER_INVALID, "q", "query", detail=detail)
