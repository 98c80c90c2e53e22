"""Exports of events for other programs, of any length: CSV, JSON Lines, CloudEvents."""

from collections.abc import AsyncIterator, Callable, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from api.history.views import FactView, fact
from application.csv_rows import csv_lines
from application.history.queries import Findings
from application.history.timeline import TimelineEntry

SOURCE = "urn:reprise:log"
"""The `source` of CloudEvents."""
_NAMES = [field.encode_name for field in msgspec.structs.fields(FactView)]
_ENCODER = msgspec.json.Encoder()


class ExportFormat(StrEnum):
    """The format of an export."""

    CSV = "csv"
    JSONL = "jsonl"
    CLOUDEVENTS = "cloudevents"

    @property
    def media_type(self) -> str:
        """What its content is called."""
        return _FORMS[self].media_type


async def exported(found: Findings[TimelineEntry], form: ExportFormat) -> AsyncIterator[bytes]:
    """The whole file, in pieces."""
    way = _FORMS[form]
    between = b""
    yield way.begin
    async for batch in found.batches:
        yield between + way.facts([fact(entry) for entry in batch])
        between = way.between
    yield way.end


class _Form(NamedTuple):
    media_type: str
    facts: Callable[[Sequence[FactView]], bytes]
    begin: bytes = b""
    between: bytes = b""
    end: bytes = b""


def _table(facts: Sequence[FactView]) -> bytes:
    told = map(msgspec.to_builtins, facts)
    return csv_lines([values[name] for name in _NAMES] for values in told)


def _lines(facts: Sequence[FactView]) -> bytes:
    return _ENCODER.encode_lines(facts)


def _cloud_events(facts: Sequence[FactView]) -> bytes:
    """CloudEvents 1.0 (https://cloudevents.io), the items of a JSON array, one on each line."""
    return b",\n".join(_ENCODER.encode(_cloud_event(told)) for told in facts)


def _cloud_event(told: FactView) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": str(told.position),
        "source": SOURCE,
        "type": told.topic,
        "subject": str(told.user_id),
        "time": told.recorded_at,
        "datacontenttype": "application/json",
        "data": told,
    }


_FORMS: dict[ExportFormat, _Form] = {
    ExportFormat.JSONL: _Form("application/x-ndjson", _lines),
    ExportFormat.CSV: _Form("text/csv; charset=utf-8; header=present", _table, begin=csv_lines([_NAMES])),
    # Their JSON batch format: whoever has only the beginning of an array notices.
    ExportFormat.CLOUDEVENTS: _Form(
        "application/cloudevents-batch+json", _cloud_events, begin=b"[\n", between=b",\n", end=b"\n]\n"
    ),
}

FORM_OF = {form.media_type.partition(";")[0].encode(): name for name, form in _FORMS.items()}
"""The formats by media type; the first is the default."""
