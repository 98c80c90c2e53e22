"""Definitions of read models: what the engine learns from them."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
from msgspec.structs import replace

from application.projections.definition import LIKE_THE_LOG, Holds, Index, Projection, Tally, position, stream_id
from application.projections.fold_code import code_of_key, meaning
from application.read_models import READ_MODELS
from application.recorded import Recorded
from domain.kernel import personal_fields, subject_field
from domain.users import User
from tests.support.instants import NOW
from tests.support.scenarios import event_of


class Row(msgspec.Struct, frozen=True):
    user_id: UUID
    country: str


class WiderRow(msgspec.Struct, frozen=True):
    user_id: UUID
    country: str
    locale: str | None = None


class RowOfOtherTypes(msgspec.Struct, frozen=True):
    user_id: UUID
    country: bytes


def fold(row: Any, recorded: Recorded[Any]) -> Any:
    return row


MODEL: Projection[Any] = Projection(
    name="model",
    version=1,
    events=(User.Registered, User.Erased),
    row=Row,
    holds=Holds(purpose="testing", kept=LIKE_THE_LOG),
    fold=fold,
    indexes=(Index("c", ("country",)),),
)


def test_a_model_reads_the_topics_of_its_events() -> None:
    assert MODEL.topics == ["user.registered", "user.erased"]


def test_the_first_field_of_a_row_is_its_key() -> None:
    assert MODEL.key_column == "user_id"


def test_a_model_keeps_one_row_for_each_stream_unless_it_says_otherwise() -> None:
    event = Recorded(
        event=event_of(User.Erased, stream_id=UUID(int=5)), topic="user.erased", position=9, recorded_at=NOW
    )

    assert (MODEL.key(event), MODEL.appends) == (UUID(int=5), False)
    assert (replace(MODEL, key=position).key(event), replace(MODEL, key=position).appends) == (9, True)
    assert stream_id(event) == UUID(int=5)


def test_the_same_definition_has_the_same_fingerprint() -> None:
    assert replace(MODEL).fingerprint == MODEL.fingerprint


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"version": 2},
        {"events": (User.Registered,)},
        {"row": WiderRow},
        {"row": RowOfOtherTypes},
        {"indexes": ()},
        {"indexes": (Index("c", ("country", "user_id")),)},
        {"tally": Tally(row=Row, of=lambda _: {})},
    ],
)
def test_another_shape_has_another_fingerprint(change: dict[str, Any]) -> None:
    assert replace(MODEL, **change).fingerprint != MODEL.fingerprint


def test_every_read_model_is_found_by_its_name() -> None:
    names = {"user_directory", "user_timeline", "user_statistics", "access_log", "deletion_schedule"}
    assert set(READ_MODELS) == names
    assert all(model.name == name for name, model in READ_MODELS.items())


@pytest.mark.parametrize("name", READ_MODELS)
def test_a_read_model_s_rows_are_frozen_and_its_indexes_have_names_of_their_own(name: str) -> None:
    model = READ_MODELS[name]

    assert model.row.__struct_config__.frozen
    assert len({index.name for index in model.indexes}) == len(model.indexes)


@pytest.mark.parametrize("name", READ_MODELS)
def test_a_read_model_keeps_nothing_personal_that_an_erasure_would_not_take_out(name: str) -> None:
    """Of somebody whose stream it is not: their erasure is in another stream, which the row does not follow."""
    model = READ_MODELS[name]
    read = model.events if model.reads_personal is None else model.reads_personal

    assert [event for event in read if personal_fields(event) and subject_field(event)] == []


DEFINITIONS = Path(__file__).parents[1] / "samples" / "definitions.jsonl"


@pytest.mark.parametrize("name", READ_MODELS)
def test_a_definition_does_not_change_without_another_version(name: str) -> None:
    """Workers refuse rows of another definition of the same version, so an upgrade would stop every one of them.

    Whoever changes what a fold does raises its version, and adds a line here. Whoever only moved code, and so changed
    the fingerprint, lists the former one in `EARLIER_FINGERPRINTS`, too.
    """
    known = [json.loads(line) for line in DEFINITIONS.read_text(encoding="utf-8").splitlines()]
    model = READ_MODELS[name]

    assert [d["fingerprint"] for d in known if (d["name"], d["version"]) == (name, model.version)] == [
        model.fingerprint
    ]


CODE = """
LIMIT = 3

def fold(row, fact):
    yield from row(
        fact)
    raise ValueError from fact
"""


@pytest.mark.parametrize(
    "beside",
    [
        "import os",
        "import os, sys",
        "from domain.users import (\n    User,\n    # a comment\n    Status,\n)",
        "from domain.users import User as Account",
        "from . import users; import os",
    ],
)
def test_what_is_imported_from_where_does_not_matter(beside: str) -> None:
    assert meaning(f"{beside}\n{CODE}") == meaning(CODE)


@pytest.mark.parametrize(
    "changed",
    [
        CODE.replace("yield from row", "yield row"),
        CODE.replace(" from fact", ""),
        CODE.replace("LIMIT = 3", "LIMIT = 4"),
        CODE + "import os; LIMIT = 4",
        CODE + "LIMIT += 1; import os",
    ],
)
def test_whatever_is_no_import_matters(changed: str) -> None:
    assert meaning(changed) != meaning(CODE)


def test_a_fingerprint_does_not_depend_on_the_module_of_a_key() -> None:
    assert code_of_key(stream_id) == code_of_key(stream_id)
    assert code_of_key(stream_id) != code_of_key(position)
    assert "classIndex" not in code_of_key(position)
