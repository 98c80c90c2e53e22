"""Tables hold no formulas, and what was written can be read again."""

import csv
import io
import unicodedata
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from application.csv_rows import csv_cell, csv_lines, text_in

SIGNS = "=+-@"
FORMULA = "=cmd|' /C calc'!A0"


def table_in(octets: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(octets.decode(), newline="")))


def begins_a_formula(cell: str) -> bool:
    """What spreadsheets may look at, said in another way: the first of what is seen, in its plain form."""
    if cell.startswith(("\t", "\r", "\n", "\0")):
        return True
    seen = [c for c in cell if unicodedata.category(c)[0] not in "CZ" and c not in "'\"`"]
    return bool(seen) and unicodedata.normalize("NFKC", seen[0]) in SIGNS


@pytest.mark.parametrize(
    "text",
    [
        *(f"{sign}1+1" for sign in "=+-@"),
        *(f"{beginning}1+1" for beginning in "\t\r\n\0"),
        *(f"{sign}1+1" for sign in "＝＋－＠﹦﹢﹣﹫−⁼⁺⁻"),  # noqa: RUF001 - what they look like is the point
        f" {FORMULA}",
        f"\u00a0\u3000{FORMULA}",
        f"\u200b\ufeff{FORMULA}",
        f"\ud7c7{FORMULA}",
        f"\ue000{FORMULA}",
        f'"{FORMULA}',
        f"'{FORMULA}",
        f"''{FORMULA}",
        f' "\u201c {FORMULA}',
        '=HYPERLINK("http://evil.example")',
        "-",
        "+46 70 123 45 67",
    ],
)
def test_what_could_be_a_formula_stands_behind_an_apostrophe(text: str) -> None:
    assert csv_cell(text) == f"'{text}"


@pytest.mark.parametrize(
    "text", ["", " ", "'", '"', "Ada", "O'Neill", "'t Hooft", "a=b", "ada@example.com", "1-2", "Zoë", "\u200b", "“Ada”"]
)
def test_what_can_be_none_stays_as_it_is(text: str) -> None:
    assert csv_cell(text) == text


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (-17, "-17"),
        (-0.5, "-0.5"),
        (0, "0"),
        (None, ""),
        (True, "true"),
        (False, "false"),
        (date(2026, 1, 31), "2026-01-31"),
        (datetime(2026, 1, 31, 12, tzinfo=UTC), "2026-01-31T12:00:00+00:00"),
        (["ads", "news"], "ads news"),
        (["=1", "news"], "'=1 news"),
    ],
)
def test_numbers_stay_numbers_and_other_values_have_their_forms(value: Any, cell: str) -> None:
    assert table_in(csv_lines([[value, "x"]])) == [[cell, "x"]]


@given(st.lists(st.text(), min_size=1, max_size=5))
@example([FORMULA, f"'{FORMULA}", f"''{FORMULA}", "'", "''"])
def test_every_text_can_be_read_again_and_none_is_a_formula(texts: list[str]) -> None:
    (cells,) = table_in(csv_lines([texts])) or [[]]

    assert [text_in(cell) for cell in cells] == texts
    assert [cell for cell in cells if not cell.startswith("'") and begins_a_formula(cell)] == []


@given(st.text(alphabet=st.sampled_from("'\"=+-@ \t\r\n\0a\u200b\uff1d"), max_size=8))
def test_guarded_text_is_told_from_text_that_only_looks_guarded(text: str) -> None:
    cell = csv_cell(text)

    assert text_in(cell) == text
    assert cell in {text, f"'{text}"}
