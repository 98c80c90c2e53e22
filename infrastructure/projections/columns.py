"""How tables of read models, and their columns, follow from definitions."""

from datetime import date, datetime
from types import NoneType, UnionType
from typing import Any, get_args
from uuid import UUID

import msgspec

SCHEMA = "read_model"
_TYPES: dict[Any, str] = {
    UUID: "uuid",
    str: 'text COLLATE "C"',
    int: "bigint",
    bool: "boolean",
    datetime: "timestamptz",
    date: "date",
    list[UUID]: "uuid[]",
}


def table_name(name: str, generation: int) -> str:
    """The table of one generation of a model."""
    return f"{name}_{generation}"


def column_type(annotation: Any) -> str:
    """The SQL type, with NOT NULL unless the field may be None."""
    options = get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)
    python_type = next(option for option in options if option is not NoneType)
    return _TYPES[python_type] + ("" if NoneType in options else " NOT NULL")


def element_types(row: type[msgspec.Struct]) -> list[str]:
    """The SQL types of a row's fields, as `binary_array` knows them."""
    return [column_type(field.type).partition(" ")[0] for field in msgspec.structs.fields(row)]
