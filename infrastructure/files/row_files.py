"""Writes rows to a file in the format of its name: CSV, JSON Lines or Parquet, in constant memory."""

from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime
from importlib import import_module
from itertools import islice
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, BinaryIO, get_args, get_origin
from uuid import UUID

import msgspec

from application.csv_rows import csv_lines
from infrastructure.files.private_files import whole_file

ROWS_AT_ONCE = 20_000
"""Rows in one group of a Parquet file, and kept at once."""


class FileFormError(ValueError):
    """The name of the file asks for a form that cannot be written. The message says what can be done."""


def write_rows(path: Path, kind: type[msgspec.Struct], rows: Iterable[Any]) -> int:
    """Write rows to a file that only its owner can read, and that is there when it is complete; returns how many.

    Raises `FileFormError` before a row is taken.
    """
    write = _writer_for(path)
    with whole_file(path) as file:
        return write(file, kind, rows)


Writer = Callable[[BinaryIO, type[msgspec.Struct], Iterable[Any]], int]


def _writer_for(path: Path) -> Writer:
    try:
        writer = _WRITERS[path.suffix.lower()]
    except KeyError:
        raise FileFormError(f"The name of the file must end in one of {', '.join(_WRITERS)}.") from None
    if writer is _write_parquet:
        _pyarrow("pyarrow")
    return writer


def _write_csv(file: BinaryIO, kind: type[msgspec.Struct], rows: Iterable[Any]) -> int:
    count = 0
    file.write(csv_lines([kind.__struct_fields__]))
    for some in _groups(rows):
        file.write(csv_lines(map(msgspec.structs.astuple, some)))
        count += len(some)
    return count


def _write_json_lines(file: BinaryIO, kind: type[msgspec.Struct], rows: Iterable[Any]) -> int:
    count = 0
    encoder = msgspec.json.Encoder()
    named = map(msgspec.structs.asdict, rows) if kind.__struct_config__.array_like else rows
    for row in named:
        file.write(encoder.encode(row) + b"\n")
        count += 1
    return count


def _write_parquet(file: BinaryIO, kind: type[msgspec.Struct], rows: Iterable[Any]) -> int:
    arrow = _pyarrow("pyarrow")
    schema = arrow.schema([_parquet_field(arrow, field) for field in msgspec.structs.fields(kind)])
    count = 0
    with _pyarrow("pyarrow.parquet").ParquetWriter(file, schema) as writer:
        for some in _groups(rows):
            values = [{name: _plain(getattr(row, name)) for name in kind.__struct_fields__} for row in some]
            writer.write_table(arrow.Table.from_pylist(values, schema=schema))
            count += len(some)
    return count


_WRITERS: dict[str, Writer] = {".csv": _write_csv, ".jsonl": _write_json_lines, ".parquet": _write_parquet}


def _pyarrow(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        raise FileFormError(
            "Parquet needs the package pyarrow (pip install reprise[parquet]); .csv and .jsonl do not."
        ) from None


def _parquet_field(arrow: Any, field: msgspec.structs.FieldInfo) -> Any:
    options = get_args(field.type) if isinstance(field.type, UnionType) else (field.type,)
    python_type = next(option for option in options if option is not NoneType)
    types = {int: arrow.int64(), bool: arrow.bool_(), date: arrow.date32(), datetime: arrow.timestamp("us", tz="UTC")}
    kind = arrow.list_(arrow.string()) if get_origin(python_type) is list else types.get(python_type, arrow.string())
    return arrow.field(field.name, kind, nullable=NoneType in options)


def _plain(value: Any) -> Any:
    match value:
        case UUID():
            return str(value)
        case list():
            return [_plain(item) for item in value]
        case _:
            return value


def _groups(rows: Iterable[Any]) -> Iterator[list[Any]]:
    iterator = iter(rows)
    while some := list(islice(iterator, ROWS_AT_ONCE)):
        yield some
