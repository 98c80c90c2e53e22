"""Records who reads personal data with the command line, by login name."""

from collections.abc import Sequence
from uuid import UUID

from api.cli.operators import operator
from application.access_records.recording import Accesses, Reader
from application.ports import Service
from domain.access_records.access_record import Reading
from domain.values import parse_access_purpose
from infrastructure.composition import open_service
from infrastructure.settings import Settings


def put_on_record(
    service: Service, reading: Reading, user_ids: Sequence[UUID], purpose: str | None, query: str | None = None
) -> None:
    """Record that the operator reads data of these people. Raises `AccessPurposeInvalid`."""
    reader = Reader(operator(), None if purpose is None else parse_access_purpose(purpose))
    service.using(Accesses).note(reader, reading, user_ids, query)


async def put_file_on_record(settings: Settings, conninfo: str, user_ids: Sequence[UUID], query: str) -> None:
    """Record that the operator received a file, and what it was filtered by."""
    async with open_service(settings, conninfo) as service:
        put_on_record(service, Reading.EXPORT, user_ids, None, query)
