"""What a line of a people file says, and how lines are made out of whatever a file holds."""

import io
import os
from contextlib import closing, suppress
from io import FileIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.imports.person_line import LineInvalidError, canonical, read_person
from infrastructure.imports.people_file import CHUNK, LINE_LIMIT, MarksOnDisk, NotJsonLinesError, read_lines
from tests.support.cli_people import consent, line, person, shape_refusals


class Pipe(io.RawIOBase):
    """Gives out what it holds in pieces of any size."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = list(pieces)

    def read(self, size: int = -1) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""


async def lines_of(*pieces: bytes) -> list[tuple[int, bytes | None]]:
    return [(found.number, found.content) async for found in read_lines(Pipe(*pieces))]


async def test_lines_are_counted_from_one() -> None:
    assert await lines_of(b"a\nb\n") == [(1, b"a"), (2, b"b")]


async def test_the_last_line_needs_no_end() -> None:
    assert await lines_of(b"a\nb") == [(1, b"a"), (2, b"b")]


async def test_a_file_without_anything_has_no_lines() -> None:
    assert await lines_of() == []


async def test_lines_may_come_in_any_pieces() -> None:
    assert await lines_of(b"a", b"b\nc", b"\n", b"\nd") == [(1, b"ab"), (2, b"c"), (3, b""), (4, b"d")]


async def test_byte_order_marks_where_files_were_joined_are_passed_over() -> None:
    mark = b"\xef\xbb\xbf"

    assert await lines_of(mark + b"a\n" + mark + mark + b"b\nc" + mark) == [(1, b"a"), (2, b"b"), (3, b"c" + mark)]


async def test_what_a_file_is_shows_also_if_it_comes_octet_by_octet() -> None:
    with pytest.raises(NotJsonLinesError, match="gzip"):
        await lines_of(b"\x1f", b"\x8b", b"\x08")


async def test_of_a_line_that_is_too_long_only_the_number_is_kept() -> None:
    huge = b"x" * CHUNK

    assert await lines_of(b"a\n", *[huge] * 40, b"\nb\n" + b"y" * (LINE_LIMIT + 1)) == [
        (1, b"a"),
        (2, None),
        (3, b"b"),
        (4, None),
    ]


async def test_a_line_may_be_as_long_as_the_limit() -> None:
    longest = b"x" * LINE_LIMIT

    assert await lines_of(longest[:-1], b"x\n") == [(1, longest)]


async def test_an_error_of_the_file_reaches_the_reader() -> None:
    class Broken(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise OSError(5, "Input/output error")

    with pytest.raises(OSError, match="Input/output error"):
        [line async for line in read_lines(Broken())]


async def test_a_pipe_that_has_nothing_yet_has_not_ended() -> None:
    class Hesitant(FileIO):
        """A pipe that does not block."""

        is_empty = True

        def read(self, size: int | None = -1) -> bytes:
            self.is_empty, was_empty = False, self.is_empty
            return None if was_empty else super().read(size)  # type: ignore[return-value] # as io.RawIOBase documents

    reading_end, writing_end = os.pipe()
    with Hesitant(reading_end) as pipe:
        os.write(writing_end, b"late\n")
        os.close(writing_end)

        assert [(line.number, line.content) async for line in read_lines(pipe)] == [(1, b"late")]


@pytest.mark.parametrize(
    ("content", "code", "field"), [pytest.param(*refused, id=str(n)) for n, refused in enumerate(shape_refusals())]
)
def test_each_line_that_is_no_person_is_refused_with_its_reason(content: bytes, code: str, field: str | None) -> None:
    with pytest.raises(LineInvalidError) as refused:
        read_person(content)

    assert (refused.value.code, refused.value.field) == (code, field)


@given(st.data())
def test_whatever_the_line_it_is_a_person_or_it_is_refused(data: st.DataObject) -> None:
    whole = line(person("ann", consents=[consent()], externalId="7", birthDate="1990-01-31", locale="sv-SE"))
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, len(whole)))
    inserted = data.draw(st.binary(max_size=3) | st.sampled_from([b'"', b"\\", b"\\u0000", b"null", b"[", b"{", b"\t"]))

    with suppress(LineInvalidError):
        assert canonical(read_person(whole[:start] + inserted + whole[end:]))


def test_the_same_facts_are_the_same_however_the_line_is_written() -> None:
    plain = read_person(b'{"email": "ann@example.com", "displayName": "\xc3\x85sa", "country": "SE"}')
    other = read_person(
        b'{"country":"SE","displayName":"\\u00c5sa","email":"ann@example.com","locale":null,"consents":[],'
        b'"explicitContentFilter":false}\r'
    )

    assert canonical(plain) == canonical(other)


def test_other_facts_are_not_the_same() -> None:
    ann = read_person(line(person("ann")))

    assert canonical(ann) != canonical(read_person(line(person("ann", explicitContentFilter=True))))


def test_marks_that_were_added_are_there_and_others_are_not() -> None:
    with closing(MarksOnDisk()) as marks:
        for number in range(1_000):
            marks.add(f"mark {number}")
        marks.add("mark 7")

        assert "mark 999" in marks
        assert "mark 1000" not in marks
