"""docs/schema.md is what a migrated database looks like, on every PostgreSQL that is promised."""

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from infrastructure.embedded_postgres import embedded_postgres
from infrastructure.postgres.database import OLDEST_VERSION, migrate_embedded
from infrastructure.postgres.schema import migrate
from tests.support.installed_server import installation_of, installed_server
from tests.support.schema_catalogue import Catalogue, catalogue
from tests.support.schema_page import FUNCTIONS, LOOSE_ENDS, OUTCOMES, schema_page

PAGE = Path(__file__).parents[2] / "docs" / "schema.md"
MARK = "<!-- made by `python -m tests.infrastructure.test_schema_page` -->\n\n"
CLUSTER = ("--encoding=UTF8", "--locale=C.UTF-8")


@pytest.fixture
def owner(database: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


@pytest.fixture
def schema(owner: psycopg.Connection[Any]) -> Catalogue:
    return catalogue(owner)


def generated() -> str:
    """What stands on the page below the mark."""
    return PAGE.read_text(encoding="utf-8").partition(MARK)[2]


def test_the_page_is_the_schema(owner: psycopg.Connection[Any]) -> None:
    assert generated() == schema_page(owner) + "\n"


def test_the_oldest_supported_server_makes_the_same_page() -> None:
    installation = installation_of(OLDEST_VERSION)
    if installation is None:
        pytest.skip(f"PostgreSQL {OLDEST_VERSION} is not installed")

    with installed_server(installation, {"fsync": "off"}, *CLUSTER) as server:
        migrate(server.conninfo())
        with psycopg.connect(server.conninfo(), autocommit=True) as connection:
            assert schema_page(connection) + "\n" == generated()


def test_making_the_page_leaves_the_database_as_it_was(owner: psycopg.Connection[Any]) -> None:
    before = catalogue(owner)

    schema_page(owner)

    assert catalogue(owner) == before


def test_a_change_of_the_schema_changes_the_page(owner: psycopg.Connection[Any]) -> None:
    before = schema_page(owner)
    changes = (
        "ALTER TABLE log.head ADD COLUMN more bigint NOT NULL DEFAULT 7",
        "COMMENT ON COLUMN log.head.more IS 'What is more.'",
        "CREATE INDEX head_by_more ON log.head (more)",
        "ALTER TABLE log.head ADD CHECK (more > 6)",
        "GRANT UPDATE (more) ON log.head TO PUBLIC",
        "CREATE OR REPLACE FUNCTION log.refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "DROP TRIGGER head_is_never_removed ON log.head",
    )

    for change in changes:
        owner.execute(change.encode())
        after = schema_page(owner)
        assert after != before, change
        before = after


def test_each_function_says_what_it_is_for(schema: Catalogue) -> None:
    assert {function.name for function in schema.functions} == set(FUNCTIONS)


def test_each_outcome_of_an_append_is_explained(schema: Catalogue) -> None:
    source = next(function.source for function in schema.functions if function.name == "log.append_each")

    assert set(re.findall(r"(?:THEN|ELSE) '(\w+)'", source)) == set(OUTCOMES)


def test_each_line_of_the_drawing_joins_two_tables(schema: Catalogue) -> None:
    assert {end for one, other, *_ in LOOSE_ENDS for end in (one, other)} <= set(schema.relations)


if __name__ == "__main__":
    head = PAGE.read_text(encoding="utf-8").partition(MARK)[0]
    with tempfile.TemporaryDirectory() as folder, embedded_postgres(Path(folder) / "data") as server:
        migrate_embedded(server.conninfo("postgres"))
        with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
            PAGE.write_text(f"{head}{MARK}{schema_page(connection)}\n", encoding="utf-8")
