"""Arrays that are sent as they are arrive as the values they were made of."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from infrastructure.postgres.binary_arrays import binary_array

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "uuid": st.uuids(),
    "text": st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])) | st.just("x" * 5_000),
    "bytea": st.binary() | st.just(b"x" * 5_000),
    "integer": st.integers(-(2**31), 2**31 - 1),
    "bigint": st.integers(-(2**63), 2**63 - 1),
    "boolean": st.booleans(),
    "timestamptz": st.datetimes(timezones=st.just(UTC)),
    "date": st.dates(),
}


@pytest.fixture(scope="module")
def connection(shared_database: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(shared_database, autocommit=True) as connection:
        connection.execute("SET timezone = 'UTC'")
        yield connection


@pytest.mark.parametrize("element_type", VALUES)
def test_what_is_sent_is_what_arrives(element_type: str, connection: psycopg.Connection[Any]) -> None:
    @for_all(st.lists(st.none() | VALUES[element_type], max_size=5))
    def arrives(values: list[Any]) -> None:
        query = f"SELECT pg_typeof(%s)::text, array(SELECT unnest(%s::{element_type}[]))".encode()
        array = binary_array(element_type, values)

        row = connection.cursor(binary=True).execute(query, (array, array)).fetchone()

        assert row is not None
        assert (row[0].replace(" with time zone", "tz"), row[1]) == (f"{element_type}[]", values)

    arrives()


@pytest.mark.parametrize(
    ("element_type", "value"),
    [
        ("uuid", "not a UUID"),
        ("text", 5),
        ("text", "\ud800"),
        ("bytea", 5),
        ("integer", 2**31),
        ("integer", "5"),
        ("bigint", 2**63),
        ("boolean", "yes"),
        ("timestamptz", datetime(2026, 1, 1)),  # noqa: DTZ001 - without a time zone it is no instant
        ("date", timedelta(1)),
        ("uuid", uuid.NAMESPACE_DNS.bytes),
    ],
)
def test_a_value_of_another_type_is_refused_and_not_told(element_type: str, value: object) -> None:
    with pytest.raises(psycopg.DataError) as refused:
        binary_array(element_type, [value])

    assert str(value) not in str(refused.value)
