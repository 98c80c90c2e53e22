"""Records who reads personal data with the command line, by login name."""

from collections.abc import Sequence
from uuid import UUID

from api.cli.database import Database
from api.cli.operators import operator
from application.access_records.recording import Accesses, Reader
from application.ports import Service
from domain.access_records.access_record import Reading
from domain.values import parse_access_purpose


def put_on_record(
    service: Service, reading: Reading, user_ids: Sequence[UUID], purpose: str | None, query: str | None = None
) -> None:
    """Record that the operator reads data of these people. Raises `AccessPurposeInvalid`."""
    reader = Reader(operator(), None if purpose is None else parse_access_purpose(purpose))
    service.using(Accesses).note(reader, reading, user_ids, query)


def put_file_on_record(database: Database, user_ids: Sequence[UUID], query: str) -> None:
    """Record that the operator received a file, and what it was filtered by."""

    async def note(service: Service) -> None:
        put_on_record(service, Reading.EXPORT, user_ids, None, query)

    database.with_service(note)
