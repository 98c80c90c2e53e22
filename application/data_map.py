"""The data map: what personal data is stored, what for, where, how protected and for how long (GDPR, article 30).

It is generated from declarations beside each field: in event types (`serves`, `Personal`) and in definitions of read
models (`Holds`). `infrastructure/data_map.py` adds tables of the engine and files, which no definition describes.
"""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Any

import msgspec

from application.projections.definition import LIKE_THE_LOG, Projection
from domain.kernel import Aggregate, event_types, payload_fields, personal_fields, purpose_of


class Kind(StrEnum):
    """What a field says about people."""

    SEALED = "sealed"
    """It says who somebody is, or what was said about them; sealed with the person's key."""
    READABLE = "readable"
    """The same, readable by anybody with access to the place."""
    LINKED = "linked"
    """About a person only through their account id, which identifies nobody once they are erased."""
    NONE = "none"
    """Not about people."""


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """Fields of one kind, stored in one place for one purpose."""

    place: str
    fields: tuple[str, ...]
    purpose: str
    kind: Kind
    kept: str


SEALED_KEPT = "until the person is erased; then nobody can read it"


def event_holdings(aggregates: Iterable[type[Aggregate]]) -> Iterator[Holding]:
    """The fields of events; one that several events have for the same purpose is listed once."""
    places: dict[tuple[str, str, Kind], list[str]] = {}
    for aggregate in aggregates:
        for event_type in event_types(aggregate):
            personal = personal_fields(event_type)
            for field in payload_fields(event_type):
                kind = Kind.SEALED if field.name in personal else Kind.LINKED
                about = (field.name, purpose_of(field) or "", kind)
                places.setdefault(about, []).append(event_type.TOPIC)  # type: ignore[attr-defined] # every event of ours has one
    for (name, purpose, kind), topics in places.items():
        kept = SEALED_KEPT if kind is Kind.SEALED else LIKE_THE_LOG
        yield Holding(place=f"events {', '.join(topics)}", fields=(name,), purpose=purpose, kind=kind, kept=kept)


def read_model_holdings(models: Iterable[Projection[Any]]) -> Iterator[Holding]:
    """The fields of read models."""
    for model in models:
        columns = [field.name for field in msgspec.structs.fields(model.row)]
        for kind, names in (
            (Kind.READABLE, [name for name in columns if name in model.holds.readable]),
            (Kind.LINKED, [name for name in columns if name not in model.holds.readable]),
        ):
            if names:
                yield Holding(
                    place=f"read model {model.name}",
                    fields=tuple(names),
                    purpose=model.holds.purpose,
                    kind=kind,
                    kept=model.holds.kept,
                )


def as_markdown(holdings: Iterable[Holding]) -> str:
    """The map as a table for the documentation."""
    lines = ["| Where | Fields | What for | Kind | Kept |", "|---|---|---|---|---|"]
    for h in holdings:
        fields = ", ".join(f"`{name}`" for name in h.fields)
        lines.append(f"| {h.place} | {fields} | {h.purpose} | {h.kind} | {h.kept} |")
    return "\n".join(lines)
