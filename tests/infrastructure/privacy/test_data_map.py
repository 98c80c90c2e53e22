"""The data map says all that is held, and nothing is held that it does not say."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from msgspec.structs import replace
from psycopg import sql

from application.data_map import Holding, Kind, as_markdown
from application.imports.import_people import Line, import_people
from application.ports import Service
from application.projections.definition import Projection
from application.read_models import READ_MODELS
from application.users.directory import USER_DIRECTORY
from application.users.emails.request_email_change import RequestEmailChange, request_email_change
from application.users.register_user import register_user
from application.users.reinstate_user import ReinstateUser, reinstate_user
from application.users.suspend_user import SuspendUser, suspend_user
from infrastructure.composition import open_service
from infrastructure.data_map import data_map
from infrastructure.postgres.tables import TABLES
from tests.support.running import context, follow_to_head, registration, settings_in

PAGE = Path(__file__).parents[3] / "docs" / "data-map.md"
MARK = "<!-- made by `python -m tests.infrastructure.privacy.test_data_map` -->\n\n"
CANARY = "zq7canary"
_COLUMNS = """
SELECT table_schema, table_name, column_name, data_type
FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)
WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')
ORDER BY 1, 2, ordinal_position
"""


def columns_of(database: str) -> list[tuple[str, str, str, str]]:
    with psycopg.connect(database) as connection:
        return connection.execute(_COLUMNS).fetchall()


@pytest.mark.parametrize("holding", data_map(), ids=lambda h: f"{h.place} {' '.join(h.fields)}")
def test_every_field_has_a_purpose_and_a_time(holding: Holding) -> None:
    assert holding.purpose
    assert holding.kept


def test_the_page_is_the_map() -> None:
    assert PAGE.read_text(encoding="utf-8").partition(MARK)[2] == as_markdown(data_map()) + "\n"


def test_every_column_of_every_table_is_declared(database: str) -> None:
    found: dict[str, set[str]] = {}
    for schema, table, column, _ in columns_of(database):
        if schema != "read_model":
            found.setdefault(f"{schema}.{table}", set()).add(column)

    assert {table.name: table.columns for table in TABLES} == found


def test_a_column_is_of_one_kind() -> None:
    for table in TABLES:
        assert len(table.columns) == len(f"{table.readable} {table.sealed} {table.linked} {table.none}".split())


@pytest.mark.parametrize("model", READ_MODELS.values(), ids=lambda model: model.name)
def test_what_a_read_model_says_is_readable_is_there(model: Projection[Any]) -> None:
    assert {field.name for field in msgspec.structs.fields(model.row)} >= set(model.holds.readable)


def test_what_people_say_lies_only_where_the_map_says_so(database: str, home: Path) -> None:
    async def live(service: Service) -> None:
        facts = {"display_name": " ".join(f"{CANARY}{number}" for number in range(4)), "external_id": f"{CANARY}-crm"}
        ada = (await service.commands.run(register_user, registration(f"{CANARY}1", **facts), context())).aggregate_id
        change = RequestEmailChange(user_id=ada, email=f"{CANARY}2@example.com")
        await service.commands.run(request_email_change, change, context())
        uses: list[tuple[Any, Any]] = [(suspend_user, SuspendUser), (reinstate_user, ReinstateUser)]
        for use_case, command in uses:
            asked = context(service.command_keys.make(CANARY, use_case.__name__, CANARY.encode()))
            asked = replace(asked, metadata=replace(asked.metadata, reason=f"{CANARY} wrote to us"))
            await service.commands.run(use_case, command(user_id=ada, reason=f"{CANARY} said so"), asked)
        _ = [result async for result in import_people(lines(), service.commands, service.command_keys, set())]

    async def scenario() -> None:
        async with open_service(settings_in(home), database) as service:
            await live(service)

    asyncio.run(scenario())
    follow_to_head(database)

    readable = {(h.place.split()[-1], field) for h in data_map() if h.kind is Kind.READABLE for field in h.fields}
    found = set(places_of(database, CANARY))
    assert found <= readable
    assert found >= {("user_directory", column) for column in USER_DIRECTORY.holds.readable}


async def lines() -> Any:
    person = {"email": f"{CANARY}3@example.com", "displayName": f"{CANARY} too", "country": "SE", "externalId": CANARY}
    for number in (1, 2):
        yield Line(number, msgspec.json.encode(person))


def places_of(database: str, text: str) -> Iterable[tuple[str, str]]:
    """Every table (or read model) and column with this text in it."""
    with psycopg.connect(database) as connection:
        for schema, table, column, kind in columns_of(database):
            place = sql.SQL("{}.{}").format(sql.Identifier(schema), sql.Identifier(table))
            value = sql.SQL("encode({}, 'escape')" if kind == "bytea" else "{}::text").format(sql.Identifier(column))
            query = sql.SQL("SELECT count(*) FROM {} WHERE strpos(lower({}), %s) > 0").format(place, value)
            row = connection.execute(query, (text,)).fetchone()
            if row and row[0]:
                yield table.rpartition("_")[0] if schema == "read_model" else f"{schema}.{table}", column


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8").partition(MARK)[0]
    PAGE.write_text(f"{text}{MARK}{as_markdown(data_map())}\n", encoding="utf-8")
