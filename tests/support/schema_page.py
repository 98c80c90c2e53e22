"""The schema of a migrated database as a page for people: docs/schema.md."""

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import msgspec
import psycopg

from application.projections.definition import Projection
from application.read_models import READ_MODELS
from infrastructure.postgres.logins import EMBEDDED, ROLES
from infrastructure.postgres.tables import TABLES
from infrastructure.projections.tables import ModelTable
from tests.support.schema_catalogue import Catalogue, Column, Function, Relation, catalogue

MAIN = "log.append"
"""Its text comes first: the one way into the log."""
FUNCTIONS: Mapping[str, str] = MappingProxyType(
    {
        "audit.refuse_change": "Trigger: what proves the log is added to, and never changed or removed.",
        "keys.destroy": "Trigger: `user.erased` destroys the person's key and writes the receipt.",
        "library.append": "`log.append` for one command of a program that uses the eventsourcing library.",
        "library.append_tracked": "The same, together with how far that program has read.",
        "log.append": "The one way into the log: appends a batch of commands at once or, if one cannot be, each alone.",
        "log.append_each": "Appends each command of a batch, or says why not; only `log.append` calls it.",
        "log.forget_commands": "Deletes old idempotency keys, some at a time; returns how many.",
        "log.position_before": "The last position that was recorded before an instant; 0 if there is none.",
        "log.refuse_change": "Trigger: the log is appended to, and never changed or removed.",
        "projection.add_primary_key": "Gives a filled table of a read model its key.",
        "projection.analyze_table": "Collects the statistics that make the planner use the indexes.",
        "projection.create_index": "Gives a table of a read model an index of a known method.",
        "projection.create_table": "Makes an empty table of plain columns for a generation, readable by its roles.",
        "projection.drop_table": "Drops the table of a generation.",
    }
)
"""What each is for; a test fails for one that is missing here."""
OUTCOMES: Mapping[str, str] = MappingProxyType(
    {
        "appended": "its events are in the log; `position` is that of the last one, or the head's if it has none",
        "known": "its key was used before, with this fingerprint; `position` and `result` are those of that time",
        "recorded": "this very command is in the log already: a retry after its answer was lost",
        "key_reused": "its key was used before, with another fingerprint",
        "conflict": "a stream is not where it thinks, or an earlier command of the batch has the same stream or key",
    }
)
"""What becomes of a command that is appended."""
LOOSE_ENDS = (
    ("log.event", "log.head", "ends at", "}o..||"),
    ("log.event", "log.command", "was recorded by", "}o..o|"),
    ("log.event", "keys.subject_key", "is sealed with", "}o..o|"),
    ("log.event", "keys.erasure", "is receipted in", "|o..o|"),
    ("log.event", "projection.letter", "could not be folded", "||..o{"),
    ("log.event", "projection.undelivered_mail", "could not be mailed", "||..o|"),
    ("log.event", "audit.tile", "is hashed in", "}o..o{"),
    ("audit.tile", "audit.checkpoint", "is signed in", "}o..o{"),
    ("log.event", "projection.segment", "is folded up to", "||..o{"),
    ("projection.generation", "projection.pace", "is measured in", "||..o|"),
    ("projection.generation", "projection.rebuild", "is built for", "||..o|"),
    ("projection.generation", "projection.verification", "is checked in", "||..o|"),
)
"""Relations that no foreign key guards: a key costs each append, and positions of the log are never removed."""
_OF_ROLES = (
    "Rights belong to roles, which nobody can log in as; logins take them. If the database is not the first on its\n"
    "server, their names end in its name ([decision 38](decisions/0038-roles-of-a-database.md)). What is not named\n"
    "here, only the owner of the schema may do."
)
_OF_READ_MODELS = (
    "One set of these for each generation, whose number takes the place of *N*. `reprise_app` may SELECT,\n"
    "`reprise_projector` SELECT, INSERT, UPDATE and DELETE ([decision 3](decisions/0003-projection-engine.md))."
)
_OF_APPENDING = (
    "The arguments up to `reasons` have one element for each command, the others one for each event; `event_commands`\n"
    "contains the number of the event's command, from 1. Each command is appended whole or not at all; versions of a\n"
    "stream go up by one, from 1 (or 0, as the eventsourcing library allows)."
)
_KEY_LETTERS = {"p": "PK", "u": "UK", "f": "FK"}


class ReadModel(msgspec.Struct, frozen=True):
    """The tables that the engine makes for one generation of a model."""

    projection: Projection[Any]
    relations: list[Relation]


def schema_page(connection: psycopg.Connection[Any]) -> str:
    """The page, of a migrated database without read models; changes nothing."""
    schema = catalogue(connection)
    models = list(_read_models(connection, schema))
    main = next(function for function in schema.functions if function.name == MAIN)
    others = [function for function in schema.functions if function.name != MAIN]
    parts = [
        *_drawing(schema),
        *_roles(schema),
        *_functions(main, others),
        "## Tables",
        *(text for relation in schema.relations.values() for text in _table(relation)),
        "## Read models",
        _OF_READ_MODELS,
        *(text for model in models for text in _read_model(model)),
    ]
    return "\n\n".join(parts)


def _read_models(connection: psycopg.Connection[Any], before: Catalogue) -> Iterator[ReadModel]:
    """What the engine makes of each definition, in a transaction that comes to nothing."""
    for projection in READ_MODELS.values():
        with connection.transaction(force_rollback=True):
            table = ModelTable(projection, 1)
            table.create(connection)
            table.create_indexes(connection)
            made = catalogue(connection).relations
        yield ReadModel(projection, [relation for name, relation in made.items() if name not in before.relations])


def _drawing(schema: Catalogue) -> Iterator[str]:
    yield "## The tables and their relations"
    yield "Keys only. A solid line is a foreign key; a dotted one is meant, but nothing in the database guards it."
    lines = [
        f'    "{relation.refers_to}" ||--o{{ "{name}" : "{", ".join(relation.columns)}"'
        for name, table in schema.relations.items()
        for relation in table.constraints
        if relation.refers_to
    ]
    lines += [f'    "{one}" {shape} "{other}" : "{says}"' for one, other, says, shape in LOOSE_ENDS]
    entities = [line for table in schema.relations.values() if not table.is_view for line in _entity(table)]
    yield "\n".join(["```mermaid", "erDiagram", *lines, *entities, "```"])


def _entity(table: Relation) -> Iterator[str]:
    letters: dict[str, list[str]] = {}
    for constraint in table.constraints:
        if constraint.kind in _KEY_LETTERS:
            for name in constraint.columns:
                letters.setdefault(name, []).append(_KEY_LETTERS[constraint.kind])
    yield f'    "{table.name}" {{'
    for column in table.columns:
        if column.name in letters:
            yield f"        {column.type} {column.name} {', '.join(letters[column.name])}"
    yield "    }"


def _roles(schema: Catalogue) -> Iterator[str]:
    yield "## Roles"
    yield _OF_ROLES
    takers = {
        role: [f"`{EMBEDDED[login]}`" for login, taken in ROLES.items() if role in taken]
        for role in dict.fromkeys(role for taken in ROLES.values() for role in taken)
    }
    yield _rows(
        ("Role", "Taken by the logins (of the embedded server)", "May look into the schemas"),
        (
            (
                f"`{role}`",
                ", ".join(logins),
                ", ".join(f"`{name}`" for name, users in schema.schemas.items() if role in users),
            )
            for role, logins in takers.items()
        ),
    )


def _functions(main: Function, others: Iterable[Function]) -> Iterator[str]:
    yield "## Functions"
    yield "As they stand now, whichever migrations made them."
    yield from _function(main)
    yield _OF_APPENDING
    yield _rows(("Outcome", "Meaning"), ((f"`{outcome}`", meaning) for outcome, meaning in OUTCOMES.items()))
    for function in others:
        yield from _function(function)


def _function(function: Function) -> Iterator[str]:
    yield f"### {function.name}"
    yield FUNCTIONS[function.name]
    callers = ", ".join(f"`{role}`" for role in function.callers) or "nobody but the owner and its triggers"
    whose = "its owner" if function.runs_as_owner else "its caller"
    yield f"Runs with the rights of {whose}; called by {callers}."
    yield "\n".join(["```sql", *_signature(function), function.source.strip("\n"), "```"])


def _signature(function: Function) -> Iterator[str]:
    arguments = function.arguments.split(", ") if function.arguments else []
    one_line = f"FUNCTION {function.name}({', '.join(arguments)})"
    if len(one_line) <= 110:
        yield one_line
    else:
        yield f"FUNCTION {function.name}("
        yield ",\n".join(f"    {argument}" for argument in arguments)
        yield ")"
    yield f"RETURNS {function.result}"
    yield " ".join([f"LANGUAGE {function.language}", *(f"SET {setting}" for setting in function.settings)])


def _table(relation: Relation) -> Iterator[str]:
    yield f"### {relation.name}"
    purposes = {table.name: table.purpose for table in TABLES}
    about = relation.comment or purposes.get(relation.name, "").capitalize()
    reads = f" A view of {', '.join(f'`{name}`' for name in relation.reads)}." if relation.is_view else ""
    yield f"{about.rstrip('.')}.{reads}"
    yield _columns(relation.columns)
    yield "\n".join(f"- {line}" for line in _notes(relation))


def _read_model(model: ReadModel) -> Iterator[str]:
    name = model.projection.name
    yield f"### {name}"
    yield f"Version {model.projection.version}: {model.projection.holds.purpose}."
    for relation in model.relations:
        yield f"Table `{_generic(relation.name, name)}`:"
        yield _columns(relation.columns)
        yield "\n".join(f"- {_generic(line, name)}" for line in _keys(relation))


def _generic(text: str, name: str) -> str:
    return text.replace(f"{name}_1", f"{name}_N")


def _columns(columns: Iterable[Column]) -> str:
    return _rows(
        ("Column", "Type", "Null", "Default", "Meaning"),
        (
            (
                f"`{column.name}`",
                f'{column.type} COLLATE "{column.collation}"' if column.collation else column.type,
                "" if column.is_required else "yes",
                f"`{column.default}`" if column.default else "",
                column.comment or "",
            )
            for column in columns
        ),
    )


def _notes(relation: Relation) -> Iterator[str]:
    yield from _keys(relation)
    yield from (f"`{trigger.removeprefix('CREATE ')}`" for trigger in relation.triggers)
    if relation.storage:
        yield f"Storage: `{', '.join(relation.storage)}`"
    if not relation.rights:
        yield "Nobody but the owner may read or change it."
    for rights in relation.rights:
        role, _, what = rights.partition(": ")
        yield f"`{role}` may {what}"


def _keys(relation: Relation) -> Iterator[str]:
    yield from (f"`{constraint.definition}`" for constraint in relation.constraints)
    yield from (f"`{index.removeprefix('CREATE ')}`" for index in relation.indexes)


def _rows(headings: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [headings, ("---",) * len(headings), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
