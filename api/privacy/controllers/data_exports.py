"""Exports: everything that is stored about one person, for that person (GDPR, articles 15 and 20)."""

from collections.abc import AsyncIterator
from tempfile import SpooledTemporaryFile
from typing import Annotated, BinaryIO, cast
from uuid import UUID

from litestar import Controller, get, post
from litestar.params import FromPath, QueryParameter

from api.access_records.recording import put_on_record
from api.http.answers import Answer, Streamed, position_header
from api.http.commands import run
from api.http.exception_handlers import EXISTING_ACCOUNT
from api.http.permissions import Permission
from api.http.problems import Kind, Refused
from api.http.requests import ApiRequest
from api.http.views import Instant, View
from api.privacy.person_package.packing import write_package
from application.privacy.data_exports import DataExports, ExportLinkInvalidError
from application.privacy.request_data_export import RequestDataExport, request_data_export
from domain import errors
from domain.access_records.access_record import Reading

IN_MEMORY = 4_000_000
"""Octets up to which a package is built in memory; a larger one is built in an unnamed file."""
PIECE = 65_536

Token = Annotated[str, QueryParameter(name="token", max_length=100, description="The token from the link.")]


class ExportLink(View, frozen=True):
    """The link to an export, and until when it is valid."""

    export_id: UUID
    user_id: UUID
    position: int
    """The package is as of this log position, whenever it is downloaded."""
    url: str
    good_until: Instant


class DataExportsController(Controller):
    """What is stored about one user."""

    path = "/users/{user_id:str}/export"
    tags = ("Exports",)

    @post(
        permission=Permission.USERS_EXPORT,
        status_code=201,
        records=True,
        reads=Reading.EXPORT,
        refusals=EXISTING_ACCOUNT,
    )
    async def request_export(self, request: ApiRequest, user_id: FromPath[UUID]) -> Answer[ExportLink]:
        """Request everything that is stored about a user, as of now. The answer has a link that is valid for a day.

        The link needs no access token, so you can give it to the person. Anybody who has it can read everything.
        """
        saved = await run(request, request_data_export, RequestDataExport(user_id=user_id))
        export = await request.service.using(DataExports).requested(saved.aggregate_id)
        put_on_record(request, Reading.EXPORT, (user_id,))
        url = f"/v1/users/{user_id}/export?token={request.service.using(DataExports).token(export.export_id)}"
        link = ExportLink(
            export_id=export.export_id,
            user_id=user_id,
            position=saved.position,
            url=url,
            good_until=export.good_until,
        )
        return Answer(link, [(b"location", url.encode()), position_header(saved.position)], status=201)

    @get(
        public=True,
        media_types=(b"application/zip",),
        refusals=(Kind.EXPORT_LINK_INVALID, Kind.POSITION_NOT_REACHED, errors.UserIsErased),
    )
    async def download_export(self, request: ApiRequest, user_id: FromPath[UUID], token: Token) -> Streamed:
        """Download the package (ZIP): JSON files, JSON Schemas and a page to read. The link needs no access token.

        It is built anew for each download, as of the moment of the request. 410 once the user has been erased.
        """
        try:
            export = await request.service.using(DataExports).find(token)
        except (ExportLinkInvalidError, LookupError):
            raise Refused(Kind.EXPORT_LINK_INVALID) from None
        if export.user_id != user_id:
            raise Refused(Kind.EXPORT_LINK_INVALID)
        package = cast("BinaryIO", SpooledTemporaryFile(IN_MEMORY))  # noqa: SIM115 - it is closed when it has been sent
        try:
            await write_package(request.service, export, package)
        except BaseException:
            package.close()
            raise
        headers = [
            (b"content-length", b"%d" % package.tell()),
            (b"content-disposition", b'attachment; filename="personal-data-%s.zip"' % str(user_id).encode()),
            position_header(export.position),
        ]
        return Streamed(_pieces(package), "application/zip", headers, package.close)


async def _pieces(package: BinaryIO) -> AsyncIterator[bytes]:
    package.seek(0)
    while piece := package.read(PIECE):
        yield piece
