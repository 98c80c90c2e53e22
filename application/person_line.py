"""One line of a people file: what it says of a person, or why it says nothing usable."""

import json
from typing import Any, NoReturn

import msgspec

from application.import_person import ImportPerson

_decoder = msgspec.json.Decoder(ImportPerson)


class LineInvalidError(Exception):
    """The line is not a person in the agreed form; says which field is to blame, and never what was in it."""

    def __init__(self, code: str, field: str | None, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.field = field


def read_person(line: bytes) -> ImportPerson:
    """The person a line of JSON is about; their values are not checked yet. Raises `LineInvalidError`."""
    try:
        person = _decoder.decode(line)
    except msgspec.ValidationError as error:
        _must_be_json(line)
        raise _shape_error(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        _must_be_json(line)
        raise
    _must_name_each_field_once(line)
    return person


def content_of(person: ImportPerson) -> bytes:
    """The same octets for the same person, however the line was written; stays so when fields are added."""
    given = {
        field.encode_name: getattr(person, field.name)
        for field in msgspec.structs.fields(person)
        if getattr(person, field.name) != field.default
    }
    return msgspec.json.encode(given, order="sorted")


def _must_be_json(line: bytes) -> None:
    try:
        line.decode()
        msgspec.json.decode(line, type=msgspec.Raw)
    except UnicodeDecodeError:
        raise LineInvalidError("invalid_utf8", None, "The line is not text in UTF-8.") from None
    except (msgspec.DecodeError, RecursionError):
        raise LineInvalidError("malformed_json", None, "The line is not a JSON object.") from None


def _must_name_each_field_once(line: bytes) -> None:
    """RFC 8259 leaves open which of two equal names counts, so that writer and reader may not mean the same person."""
    json.loads(line, object_pairs_hook=_distinct)


def _distinct(pairs: list[tuple[str, Any]]) -> None:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        _refuse_repeated(next(name for name in names if names.count(name) > 1))


def _refuse_repeated(name: str) -> NoReturn:
    code, sentence = "duplicate_field", "A field is there more than once."
    raise LineInvalidError(code, name, sentence)
