"""Records readings of personal data: who read whose, and why."""

from collections.abc import Sequence
from uuid import UUID

from api.http.purposes import stated_purpose
from api.http.requests import ApiRequest
from application.access_records.recording import Accesses, Reader, goes_on_record
from domain.access_records.access_record import Reading


def put_on_record(request: ApiRequest, reading: Reading, user_ids: Sequence[UUID], query: str | None = None) -> None:
    """Record that the caller reads data of these people. Raises `RefusedValue`.

    The answer does not wait for the record.
    """
    reader = Reader(request.access.actor, stated_purpose(request))
    if goes_on_record(request.access, user_ids):
        request.service.using(Accesses).note(reader, reading, user_ids, query)
