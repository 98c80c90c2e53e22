"""Exports of events for other programs, of any length: CSV, JSON Lines, CloudEvents."""

from collections.abc import AsyncIterator, Callable, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from api.history.views import FactView, fact
from application.csv_rows import csv_lines
from application.history.queries import Findings
from application.history.timeline import TimelineEntry
from application.json_arrays import JsonArray

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
    async for piece in _FORMS[form].written(_facts(found)):
        yield piece


Facts = AsyncIterator[Sequence[FactView]]


class _Form(NamedTuple):
    media_type: str
    written: Callable[[Facts], AsyncIterator[bytes]]


async def _facts(found: Findings[TimelineEntry]) -> Facts:
    async for batch in found.batches:
        yield [fact(entry) for entry in batch]


async def _table(batches: Facts) -> AsyncIterator[bytes]:
    yield csv_lines([_NAMES])
    async for facts in batches:
        told = map(msgspec.to_builtins, facts)
        yield csv_lines([values[name] for name in _NAMES] for values in told)


async def _lines(batches: Facts) -> AsyncIterator[bytes]:
    async for facts in batches:
        yield _ENCODER.encode_lines(facts)


async def _cloud_events(batches: Facts) -> AsyncIterator[bytes]:
    """CloudEvents 1.0 (https://cloudevents.io) in their JSON batch format."""
    array = JsonArray()
    async for facts in batches:
        yield array.more(map(_cloud_event, facts))
    yield array.end() + b"\n"


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
    ExportFormat.CSV: _Form("text/csv; charset=utf-8; header=present", _table),
    ExportFormat.CLOUDEVENTS: _Form("application/cloudevents-batch+json", _cloud_events),
}

FORM_OF = {form.media_type.partition(";")[0].encode(): name for name, form in _FORMS.items()}
"""The formats by media type; the first is the default."""
