"""Users: register, read, list, change."""

from typing import Annotated
from uuid import UUID

from litestar import Controller, get, patch, post
from litestar.params import FromPath, JSONBody, QueryParameter

from api.answers import Answer, PageView, Receipt, created, done, page_of, position_header
from api.commands import run
from api.permissions import Permission
from api.preconditions import etag, is_known
from api.problems import Kind
from api.queries import Cursor, Limit, instant, page_request, reached
from api.readings import put_on_record
from api.refusals import OPEN_ACCOUNT
from api.requests import ApiRequest
from api.views import UserListItem, UserView, user_list_item, user_view
from application.change_profile import ChangeProfile, ProfilePatch, change_profile
from application.queries import DirectoryFilter
from application.register_user import RegisterUser, register_user
from domain import errors
from domain.access_records import Reading
from domain.values import UserStatus

ByEmail = Annotated[
    str | None, QueryParameter(name="email", max_length=254, description="This address, in any spelling.")
]
ByExternalId = Annotated[
    str | None,
    QueryParameter(
        name="externalId", pattern="^[!-~]{1,64}$", description="Known by this id elsewhere; maybe several are."
    ),
]
Beginning = Annotated[
    str | None,
    QueryParameter(name="q", min_length=2, max_length=100, description="The beginning of the display name or address."),
]
InCountry = Annotated[
    str | None, QueryParameter(name="country", pattern="^[A-Z]{2}$", description="ISO 3166-1 alpha-2 code.")
]
HavingStatus = Annotated[UserStatus | None, QueryParameter(name="status", description="What the account is now.")]
CreatedAfter = Annotated[
    str | None, QueryParameter(format="date-time", name="createdAfter", description="Registered after this instant.")
]

EMAIL_RULES = (errors.EmailInvalid, errors.ExternalIdInvalid)
PROFILE_RULES = (
    errors.DisplayNameBlank,
    errors.DisplayNameTooLong,
    errors.DisplayNameHasControlCharacters,
    errors.CountryUnknown,
    errors.LocaleUnknown,
    errors.BirthDateInFuture,
    errors.TooYoung,
)


class UsersController(Controller):
    """People's accounts."""

    path = "/users"
    tags = ("Users",)

    @post(
        permission=Permission.USERS_REGISTER,
        status_code=201,
        refusals=(errors.EmailTaken, *PROFILE_RULES, *EMAIL_RULES),
    )
    async def register_user(self, request: ApiRequest, data: JSONBody[RegisterUser]) -> Answer[Receipt]:
        """Register a person, who is then mailed a token to verify the address; 409 if the address is in use."""
        return created(await run(request, register_user, data))

    @get(
        "/{user_id:str}",
        permission=Permission.USERS_READ,
        conditional=True,
        reads=Reading.PROFILE,
        refusals=(errors.UserNotFound, errors.UserIsErased),
    )
    async def get_user(self, request: ApiRequest, user_id: FromPath[UUID]) -> Answer[UserView | None]:
        """One user, as of now: never older than anything that was acknowledged before. 410 if they were erased."""
        user, position = await request.service.users.user(user_id)
        if user is None:
            raise errors.UserNotFound
        if user.erased:
            raise errors.UserIsErased
        headers = [(b"etag", etag(user.version)), position_header(reached(request, position))]
        if is_known(request, user.version):
            return Answer(None, headers, status=304)
        put_on_record(request, Reading.PROFILE, (user.id,))
        return Answer(user_view(user), headers)

    @get(permission=Permission.USERS_LIST, reads=Reading.LIST, refusals=(Kind.CURSOR_INVALID,))
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
        """Users in the order in which they were registered; all given filters must hold."""
        wanted = DirectoryFilter(
            email=email,
            external_id=external_id,
            q=q,
            country=country,
            status=status,
            created_after=instant(created_after, "createdAfter"),
        )
        page = await request.service.directory.page(wanted, page_request(request, limit, cursor))
        put_on_record(request, Reading.LIST, [entry.user_id for entry in page.items])
        return page_of(page, [user_list_item(entry) for entry in page.items])

    @patch("/{user_id:str}", permission=Permission.USERS_CHANGE, refusals=(*OPEN_ACCOUNT, *PROFILE_RULES))
    async def change_profile(
        self, request: ApiRequest, user_id: FromPath[UUID], data: JSONBody[ProfilePatch]
    ) -> Answer[Receipt]:
        """Change what is named (JSON merge patch, RFC 7396): one fact for each thing that really changes."""
        return done(await run(request, change_profile, ChangeProfile(user_id=user_id, patch=data)))
