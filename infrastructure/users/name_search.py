"""How people are searched by name or address: a short walk in the order of the list, then by the indexes.

What begins with common letters is found within some rows of any part of the list; what is rare is found by the
indexes, and sorted. The planner does not know which it is: it takes rows to lie evenly in the list, and one plan must
do for every search. So it is not asked, and the walk finds out (docs/decisions/0034-names-by-word.md).
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any, LiteralString, TypeVar

from psycopg import sql

from application.users.directory_search import NameOrAddress
from domain.users.search_words import Forms

LAST_CHARACTER = "\U0010ffff"
WALKED = 5_000
"""Rows that a walk looks at, in about 4 ms. If it does not fill a page of 50, one row in a hundred is found at most,
which takes the indexes some milliseconds."""
WORTH_LOOKING_FOR = 2
"""Characters of a second word; single letters are compared only, because too many names have words that begin so."""

_WALK: LiteralString = """(
    SELECT w.*, row_number() OVER (ORDER BY w.user_id) AS place
    FROM (SELECT * FROM {table} m WHERE CONDITIONS ORDER BY m.user_id LIMIT %(walked)s) w
)"""
# Candidates come from indexes alone, and are looked at one by one in the order of the list until the page is full.
_LOOK_UP: LiteralString = """(
    SELECT found.place, t.* FROM (
        SELECT DISTINCT c.user_id AS place FROM (CANDIDATES) c WHERE c.user_id > %(begin)s ORDER BY c.user_id
    ) found CROSS JOIN LATERAL (SELECT * FROM {table} m WHERE m.user_id = found.place OFFSET 0) t
)"""
_NOBODY: LiteralString = "SELECT user_id FROM {table} WHERE false"
# Exactly the expression and the conditions of the indexes (migration 0021).
_BY_WORD: LiteralString = """
SELECT user_id FROM {table} WHERE word_1 >= %(WORD)s AND word_1 < %(WORD_end)s AND word_1 <> '' UNION ALL
SELECT user_id FROM {table} WHERE word_2 >= %(WORD)s AND word_2 < %(WORD_end)s AND word_2 <> '' UNION ALL
SELECT user_id FROM {table} WHERE word_3 >= %(WORD)s AND word_3 < %(WORD_end)s AND word_3 <> '' UNION ALL
SELECT user_id FROM {table}
WHERE more_words <> '' AND array_to_tsvector(string_to_array(more_words, ' ')) @@ %(WORD_lexeme)s::tsquery
"""
_BY_ADDRESS: LiteralString = (
    "SELECT user_id FROM {table} WHERE email_key >= %(address)s AND email_key < %(address_end)s"
)

_HAS_ADDRESS = sql.SQL("m.email_key >= %(address)s AND m.email_key < %(address_end)s")
_HAS_WORD = sql.SQL(
    "(starts_with(m.word_1, {word}) OR starts_with(m.word_2, {word}) OR starts_with(m.word_3, {word})"
    " OR m.more_words <> '' AND strpos(' ' || m.more_words, ' ' || {word}) > 0)"
)


class NameSearch:
    """One search: where its rows are looked for, which of them are found, and the parameters of both."""

    def __init__(self, wanted: NameOrAddress) -> None:
        self._wanted = wanted
        self._leading = _leading(wanted.words) if wanted.words else []
        self.parameters = dict(self._given())
        self.condition = _one_of(self._conditions())
        """Whether a row, `m`, is found."""

    def walk(self, conditions: LiteralString) -> LiteralString:
        """The next rows that fulfil some other conditions, each with its `place`, from 1 on."""
        return _WALK.replace("CONDITIONS", conditions)

    def look_up(self) -> LiteralString:
        """All rows that may be found, in the order of their `place`."""
        candidates = [_all_of([_any_of(map(_having_all, forms)) for forms in self._leading])] if self._leading else []
        if self._wanted.address is not None:
            candidates.append(_BY_ADDRESS)
        return _LOOK_UP.replace("CANDIDATES", _any_of(candidates) or _NOBODY)

    def _given(self) -> Iterator[tuple[str, Any]]:
        yield from ((f"word_{number}", word) for number, word in enumerate(_all_words(self._wanted.words)))
        for name, word in chain.from_iterable(chain.from_iterable(self._leading)):
            yield name, word
            yield f"{name}_end", word + LAST_CHARACTER
            yield f"{name}_lexeme", _lexeme(word)
        if self._wanted.address is not None:
            yield "address", self._wanted.address
            yield "address_end", self._wanted.address + LAST_CHARACTER

    def _conditions(self) -> Iterator[sql.Composable]:
        names = (sql.Placeholder(f"word_{number}") for number, _ in enumerate(_all_words(self._wanted.words)))
        words = [
            _one_of(_all(_HAS_WORD.format(word=next(names)) for _ in form) for form in forms)
            for forms in self._wanted.words
        ]
        if words:
            yield _all(words)
        if self._wanted.address is not None:
            yield _HAS_ADDRESS


def _all_words(wanted: Iterable[Forms]) -> list[str]:
    return [word for forms in wanted for form in forms for word in form]


T = TypeVar("T")
_Named = list[tuple[LiteralString, str]]
"""Words, each with the name by which it is given to the statement."""
_NAMES: tuple[tuple[tuple[LiteralString, ...], ...], ...] = (
    (("whole",), ("part", "other_part")),
    (("second_whole",), ("second_part", "other_second_part")),
)


def _leading(wanted: Iterable[Forms]) -> list[list[_Named]]:
    """The words by which rows are looked for, in all forms: the longest of a search, likely to be the rarest."""
    words = _longest(wanted, lambda forms: len(forms[0][0]))
    return [
        [list(zip(names, _longest(form, len), strict=False)) for names, form in zip(names_of_word, forms, strict=False)]
        for names_of_word, forms in zip(_NAMES, words, strict=False)
    ]


def _longest(items: Iterable[T], length: Callable[[T], int]) -> list[T]:
    """The longest, and the next one if it is long enough to be worth looking for."""
    first, *others = sorted(items, key=length, reverse=True)[:2]
    return [first, *(other for other in others if length(other) >= WORTH_LOOKING_FOR)]


def _having_all(words: _Named) -> LiteralString:
    return _all_of([_BY_WORD.replace("WORD", name) for name, _ in words])


def _all_of(sets: Iterable[LiteralString]) -> LiteralString:
    return " INTERSECT ".join([f"({each})" for each in sets])


def _any_of(sets: Iterable[LiteralString]) -> LiteralString:
    return " UNION ALL ".join([f"({each})" for each in sets])


def _lexeme(word: str) -> str:
    """The beginning of a lexeme as it is, whatever is in it (PostgreSQL 18, section 8.11.2)."""
    escaped = word.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}':*"


def _all(conditions: Iterable[sql.Composable]) -> sql.Composable:
    return sql.SQL("({})").format(sql.SQL(" AND ").join(conditions))


def _one_of(conditions: Iterable[sql.Composable]) -> sql.Composable:
    return sql.SQL("({})").format(sql.SQL(" OR ").join([sql.SQL("false"), *conditions]))
