"""Builds a package: a ZIP file, written page by page in constant memory."""

from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any, BinaryIO
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import msgspec

from api.history.person_views import PersonFactView, person_fact
from api.privacy.person_package.page import reading_page
from api.privacy.person_package.records import (
    FILES,
    ConsentRecord,
    PackageView,
    ReadingRecord,
    consent_record,
    reading_record,
    schema_of,
)
from api.users.views import UserView, user_view
from application.access_records.recording import AccessFilter, AccessLog
from application.history.queries import Timeline, TimelineItem
from application.history.timeline import is_shown_to_people
from application.json_arrays import JsonArray
from application.ports import Service
from application.privacy.data_exports import RequestedExport
from application.queries import Page, PageRequest
from application.unreadable import HistoryUnreadableError
from application.users.queries import Moment, Users
from domain import errors

PAGE = 200


async def write_package(service: Service, export: RequestedExport, file: BinaryIO) -> None:
    """Write everything that is stored about a person, as of the moment of the request.

    What cannot be read is named as such. Raises `UserIsErased` if the person has been erased since, and
    `PositionNotReachedError`.
    """
    held = _Held(service, export)
    profile = await held.profile()
    described = PackageView(
        export_id=export.export_id,
        user_id=export.user_id,
        requested_at=export.requested_at,
        position=export.position,
        complete=profile is not None,
        files={name: _schema_file(name) for name in FILES},
    )
    with ZipFile(file, "w") as package:
        writer = _Writer(package, export.requested_at)
        page = reading_page(described, profile, held.consents(), held.timeline(), held.readings())
        await writer.write("index.html", page)
        writer.write_whole("package.json", _document(described))
        writer.write_whole("profile.json", _document(profile))
        await writer.write("consents.json", _array(held.consents()))
        await writer.write("timeline.json", _array(held.timeline()))
        await writer.write("accesses.json", _array(held.readings()))
        for name in FILES:
            writer.write_whole(_schema_file(name), schema_of(name))


def _schema_file(name: str) -> str:
    return f"schemas/{name.replace('.json', '.schema.json')}"


class _Held:
    """What is stored about a person, as of a position."""

    def __init__(self, service: Service, export: RequestedExport) -> None:
        self._service = service
        self._export = export

    async def profile(self) -> UserView | None:
        """None if part of the history cannot be read: what the account comes to is not known then."""
        try:
            present, _ = await self._service.using(Users).user(self._export.user_id)
            if present is None or present.erased:
                raise errors.UserIsErased
            found = await self._service.using(Users).user_at(
                self._export.user_id, Moment(position=self._export.position)
            )
        except HistoryUnreadableError:
            return None
        if found is None:
            raise errors.UserNotFound
        return user_view(found.user)

    async def timeline(self) -> AsyncIterator[PersonFactView]:
        async for item in self._items():
            yield person_fact(item)

    async def consents(self) -> AsyncIterator[ConsentRecord]:
        async for item in self._items():
            record = consent_record(item)
            if record:
                yield record

    async def readings(self) -> AsyncIterator[ReadingRecord]:
        wanted = AccessFilter(user_id=self._export.user_id)
        async for entry in self._all(lambda page: self._service.using(AccessLog).page(wanted, page)):
            if entry.position <= self._export.position:
                yield reading_record(entry, self._export.user_id)

    async def _items(self) -> AsyncIterator[TimelineItem]:
        async for item in self._all(lambda page: self._service.using(Timeline).of_user(self._export.user_id, page)):
            if item.entry.position <= self._export.position and is_shown_to_people(item.entry):
                yield item

    async def _all(self, page_of: Callable[[PageRequest], Any]) -> AsyncIterator[Any]:
        wanted = PageRequest(limit=PAGE, min_position=self._export.position)
        page: Page[Any] = await page_of(wanted)
        for item in page.items:
            yield item
        while page.next_cursor:
            page = await page_of(msgspec.structs.replace(wanted, cursor=page.next_cursor))
            for item in page.items:
                yield item


class _Writer:
    """Writes files into a package, all with the time of the request."""

    def __init__(self, package: ZipFile, at: datetime) -> None:
        self._package = package
        self._at = at.timetuple()[:6]

    def write_whole(self, name: str, content: bytes) -> None:
        self._package.writestr(self._info(name), content)

    async def write(self, name: str, pieces: AsyncIterator[str]) -> None:
        with self._package.open(self._info(name), "w") as file:
            async for piece in pieces:
                file.write(piece.encode())

    def _info(self, name: str) -> ZipInfo:
        info = ZipInfo(name, self._at)
        info.compress_type = ZIP_DEFLATED
        info.external_attr = 0o600 << 16
        return info


async def _array(records: AsyncIterator[Any]) -> AsyncIterator[str]:
    array = JsonArray()
    async for record in records:
        yield array.more([record]).decode()
    yield array.end().decode() + "\n"


def _document(value: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value)) + b"\n"
