"""Rows as CSV (RFC 4180) without anything that a spreadsheet takes for a formula.

A spreadsheet takes a cell for a formula if it begins with one of = + - @, a tab, a carriage return, a line feed or NUL
(OWASP: ASVS 5.0 requirement 1.2.10, "CSV Injection"), or with another form of such a sign; some find it behind spaces,
quotes and characters that show nothing. Text like that gets an apostrophe in front, and so does text that is like that
behind an apostrophe of its own. So whoever reads the file has what was written by taking one apostrophe away from each
cell in which such text follows it (`text_in`). Numbers are no text, and stay numbers.
"""

import csv
import io
import unicodedata
from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

_GUARD = "'"
_BEGINNINGS = frozenset("=+-@\N{MINUS SIGN}\t\r\n\0")
_QUOTES = frozenset("'\"`\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u00ab\u00bb\uff02\uff07")
_UNSEEN = frozenset("CZ")
"""Categories that show nothing: control, format and separators; and what this Python's Unicode does not know yet."""


def csv_lines(rows: Iterable[Iterable[Any]]) -> bytes:
    """Rows as lines of a CSV file in UTF-8."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows(map(csv_cell, row) for row in rows)
    return text.getvalue().encode()


def csv_cell(value: Any) -> Any:
    """A value as it stands in a cell: numbers as numbers, text that could be a formula behind an apostrophe."""
    match value:
        case bool():
            return "true" if value else "false"
        case None | int() | float():
            return value
        case datetime() | date():
            return value.isoformat()
        case list() | tuple():
            return _guarded(" ".join(map(str, value)))
        case _:
            return _guarded(str(value))


def text_in(cell: str) -> str:
    """The text that was written into a cell."""
    is_guarded = cell.startswith(_GUARD) and _could_be_formula(cell[1:])
    return cell[1:] if is_guarded else cell


def _guarded(text: str) -> str:
    return _GUARD + text if _could_be_formula(text) else text


def _could_be_formula(text: str) -> bool:
    for char in text:
        if unicodedata.normalize("NFKC", char)[0] in _BEGINNINGS:
            return True
        if char not in _QUOTES and unicodedata.category(char)[0] not in _UNSEEN:
            return False
    return False
