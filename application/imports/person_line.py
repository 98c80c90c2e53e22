"""One line of a people file: what it says of a person, or why it says nothing that can be used."""

import json
import re
from typing import Any

import msgspec

from application.imports.import_person import ImportPerson

_NOT_JSON = ("malformed_json", None, "The line is not a JSON object.")
NAME_LIMIT = 64
"""Characters of an unknown name that are shown."""

_FIELDS = [(field.name, field.encode_name, field.default) for field in msgspec.structs.fields(ImportPerson)]
_decoder = msgspec.json.Decoder(ImportPerson)
# What msgspec says of JSON that has not the shape of a person; tests pin the wording.
_SHAPE_ERROR = re.compile(
    r"(?:Object missing required field `(?P<missing>.*?)`"
    r"|Object contains unknown field `(?P<unknown>.*?)`"
    r"|(?P<wrong>.*?))"
    r"(?: - at `\$\.?(?P<path>[^`]*)`)?",
    re.DOTALL,
)


class LineInvalidError(Exception):
    """The line is not a person in the agreed form. Says which field is to blame, and nothing of what was in it."""

    def __init__(self, code: str, field: str | None, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.field = field
        self.sentence = sentence


def read_person(line: bytes) -> ImportPerson:
    """The person that a line of JSON is about; their values are not checked yet. Raises `LineInvalidError`."""
    try:
        person = _decoder.decode(line)
    except msgspec.ValidationError as error:
        raise _broken_text(line) or _wrong_shape(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise _broken_text(line) or LineInvalidError(*_NOT_JSON) from None
    _distinct_decoder.decode(line.decode())
    return person


def canonical(person: ImportPerson) -> bytes:
    """The same octets for the same content, however the line is written; fields added later do not change them."""
    given = {key: value for name, key, default in _FIELDS if (value := getattr(person, name)) != default}
    return msgspec.json.encode(given, order="sorted")


def _broken_text(line: bytes) -> LineInvalidError | None:
    """What is wrong with the line as a text: the shape of what it says can be wrong only if nothing is."""
    try:
        line.decode()
        msgspec.json.decode(line, type=msgspec.Raw)
    except UnicodeDecodeError:
        return LineInvalidError("invalid_utf8", None, "The line is not UTF-8 text.")
    except msgspec.DecodeError:
        return LineInvalidError(*_NOT_JSON)
    except RecursionError:  # Nested too deeply to be about a person, and to be looked at to its end.
        return None
    return None


def _must_be_distinct(pairs: list[tuple[str, Any]]) -> None:
    """RFC 8259 leaves open which of two equal names counts: writer and reader may not mean the same person."""
    names = [name for name, _ in pairs]
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise LineInvalidError("duplicate_field", _printable(repeated), "This field occurs more than once.")


_distinct_decoder = json.JSONDecoder(object_pairs_hook=_must_be_distinct)


def _wrong_shape(message: str) -> LineInvalidError:
    found = _SHAPE_ERROR.fullmatch(message)
    parts: dict[str, str | None] = found.groupdict() if found else {}
    path = parts.get("path") or ""
    if (missing := parts.get("missing")) is not None:
        return LineInvalidError("missing_field", _joined(path, missing), "This field is required.")
    if (unknown := parts.get("unknown")) is not None:
        return LineInvalidError("unknown_field", _joined(path, unknown), "This field is unknown.")
    return LineInvalidError(
        "wrong_type", path or None, f"{parts.get('wrong') or 'The line does not have the form of a person'}."
    )


def _joined(path: str, name: str) -> str:
    return ".".join(part for part in (path, _printable(name)) if part)


def _printable(name: str) -> str:
    """A name that somebody else chose, fit to be shown on a terminal."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in name[:NAME_LIMIT])
