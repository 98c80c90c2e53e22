"""Who may do what in the database: all of it, compared with one table; what is new and not in it fails."""

from collections.abc import Iterator
from typing import Any, LiteralString

import psycopg
import pytest

from infrastructure.postgres.connections import APP_ROLE, PROJECTOR_ROLE, SEALER_ROLE
from infrastructure.postgres.logins import EMBEDDED, Login
from tests.support.running import follow_to_head

PUBLIC = "public"
ROLES = (PUBLIC, APP_ROLE, PROJECTOR_ROLE, SEALER_ROLE, EMBEDDED[Login.API], EMBEDDED[Login.WORKER])

Rights = dict[str, str]
"""Letters by role, as PostgreSQL abbreviates them: r SELECT, a INSERT, w UPDATE, d DELETE, D TRUNCATE, x REFERENCES,
t TRIGGER, X EXECUTE, U USAGE, C CREATE, T TEMPORARY; in parentheses: for some columns."""

APP, PROJECTOR, SEALER = APP_ROLE, PROJECTOR_ROLE, SEALER_ROLE
READ = {APP: "r", PROJECTOR: "r"}

SCHEMAS: dict[str, Rights] = {
    "log": {APP: "U", PROJECTOR: "U", SEALER: "U"},
    "keys": {APP: "U", PROJECTOR: "U"},
    "projection": {APP: "U", PROJECTOR: "U"},
    "read_model": {APP: "U", PROJECTOR: "U"},
    "audit": {APP: "U", SEALER: "U"},
    "library": {APP: "U"},
    "schema_migration": dict.fromkeys(ROLES, "U"),  # Every login may find out that the schema is too old.
    "public": dict.fromkeys(ROLES, "U"),
}
TABLES: dict[str, Rights] = {
    "log.event": {APP: "r", PROJECTOR: "r", SEALER: "r"},
    "log.head": {APP: "r", PROJECTOR: "r", SEALER: "r"},
    "log.tip": {APP: "r", PROJECTOR: "r", SEALER: "r"},
    "log.command": {APP: "r"},
    "log.command_retention": {},
    "keys.master_key": {APP: "ra", PROJECTOR: "r"},
    "keys.subject_key": {APP: "ra", PROJECTOR: "r"},
    "keys.erasure": {APP: "r", PROJECTOR: "r(w)"},
    "keys.claims_key": {APP: "ra"},
    "projection.generation": {APP: "r", PROJECTOR: "rad(w)"},
    "projection.segment": {APP: "r", PROJECTOR: "rawd"},
    "projection.standing": {APP: "r", PROJECTOR: "r"},
    "projection.pace": {APP: "r", PROJECTOR: "raw"},
    "projection.part": {PROJECTOR: "raw"},
    "projection.rebuild": {APP: "r(a)", PROJECTOR: "rawd"},
    "projection.letter": {APP: "r(w)", PROJECTOR: "raw"},
    "projection.verification": {APP: "r", PROJECTOR: "rawd"},
    "projection.mail_mark": {APP: "r", PROJECTOR: "rw"},
    "projection.undelivered_mail": {APP: "r", PROJECTOR: "rawd"},
    "audit.tile": {APP: "r", SEALER: "ra"},
    "audit.sealed": {APP: "r", SEALER: "rw"},
    "audit.checkpoint": {APP: "r", SEALER: "ra"},
    "audit.verifier_key": {APP: "r", SEALER: "ra"},
    "library.snapshot": {APP: "raw"},
    "library.tracking": {APP: "raw"},
    "schema_migration.applied": dict.fromkeys(ROLES, "r"),
    "schema_migration.role": dict.fromkeys(ROLES, "r"),  # Every process asks what its roles are called.
}
READ_MODEL: Rights = {APP: "r", PROJECTOR: "rawd"}
"""Every table in `read_model`."""
FUNCTIONS: dict[str, Rights] = {
    "log.append": {APP: "X"},
    "log.append_each": {},
    "log.forget_commands": {PROJECTOR: "X"},
    "log.position_before": {APP: "X", PROJECTOR: "X"},
    "log.refuse_change": {},
    "keys.destroy": {},
    "audit.refuse_change": {},
    "library.append": {APP: "X"},
    "library.append_tracked": {APP: "X"},
    "projection.create_table": {PROJECTOR: "X"},
    "projection.add_primary_key": {PROJECTOR: "X"},
    "projection.create_index": {PROJECTOR: "X"},
    "projection.analyze_table": {PROJECTOR: "X"},
    "projection.drop_table": {PROJECTOR: "X"},
}
DATABASE: Rights = {}
"""CREATE and TEMPORARY; everybody may connect whom the server lets in."""

# A login that does not inherit has what PUBLIC has until it takes a role; has_*_privilege knows that.
_SCHEMAS: LiteralString = """
SELECT n.nspname, r.role, concat(
    CASE WHEN has_schema_privilege(r.role, n.oid, 'USAGE') THEN 'U' END,
    CASE WHEN has_schema_privilege(r.role, n.oid, 'CREATE') THEN 'C' END)
FROM pg_namespace n CROSS JOIN unnest(%s::text[]) AS r (role)
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
"""
_TABLES: LiteralString = """
SELECT n.nspname || '.' || c.relname, r.role, concat(
    (SELECT string_agg(CASE WHEN has_table_privilege(r.role, c.oid, p.name) THEN p.letter END, '' ORDER BY p.place)
     FROM unnest(%s::text[], %s::text[]) WITH ORDINALITY AS p (name, letter, place)),
    (SELECT string_agg(CASE WHEN has_any_column_privilege(r.role, c.oid, p.name)
                             AND NOT has_table_privilege(r.role, c.oid, p.name) THEN '(' || p.letter || ')' END, '')
     FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE'], ARRAY['r', 'a', 'w']) AS p (name, letter)))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace CROSS JOIN unnest(%s::text[]) AS r (role)
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
  AND c.relkind NOT IN ('i', 'I', 'c')
"""
_PRIVILEGES = {
    "SELECT": "r",
    "INSERT": "a",
    "UPDATE": "w",
    "DELETE": "d",
    "TRUNCATE": "D",
    "REFERENCES": "x",
    "TRIGGER": "t",
}
_FUNCTIONS: LiteralString = """
SELECT n.nspname || '.' || p.proname, r.role,
       CASE WHEN has_function_privilege(r.role, p.oid, 'EXECUTE') THEN 'X' ELSE '' END
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace CROSS JOIN unnest(%s::text[]) AS r (role)
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')
"""


@pytest.fixture
def owner(history: str) -> Iterator[psycopg.Connection[Any]]:
    """The owner of a database that has been in use."""
    follow_to_head(history)
    with psycopg.connect(history, autocommit=True) as connection:
        yield connection


def granted(owner: psycopg.Connection[Any], query: LiteralString, *parameters: Any) -> dict[str, Rights]:
    found: dict[str, Rights] = {}
    for name, role, letters in owner.execute(query, (*parameters, list(ROLES))):
        rights = found.setdefault(name, {})
        if letters:
            rights[role] = letters
    return found


def test_each_role_may_do_in_schemas_what_the_table_says(owner: psycopg.Connection[Any]) -> None:
    assert granted(owner, _SCHEMAS) == SCHEMAS


def test_each_role_may_do_with_tables_what_the_table_says(owner: psycopg.Connection[Any]) -> None:
    found = granted(owner, _TABLES, list(_PRIVILEGES), list(_PRIVILEGES.values()))

    read_models = {name for name in found if name.startswith("read_model.")}
    assert len(read_models) > 5
    assert found == TABLES | dict.fromkeys(read_models, READ_MODEL)


def test_each_role_may_execute_what_the_table_says(owner: psycopg.Connection[Any]) -> None:
    assert granted(owner, _FUNCTIONS) == FUNCTIONS


def test_nobody_makes_anything_in_the_database(owner: psycopg.Connection[Any]) -> None:
    rows = owner.execute(
        "SELECT r.role, p.name FROM unnest(%s::text[]) AS r (role), unnest(ARRAY['CREATE', 'TEMPORARY']) AS p (name) "
        "WHERE has_database_privilege(r.role, current_database(), p.name)",
        (list(ROLES),),
    )

    assert dict(rows.fetchall()) == DATABASE


def test_what_is_made_from_here_on_is_executed_by_nobody(owner: psycopg.Connection[Any]) -> None:
    for schema in ("log", "keys", "projection", "read_model", "audit", "library", "public"):
        owner.execute(f"CREATE FUNCTION {schema}.of_tomorrow() RETURNS integer RETURN 1".encode())

    found = granted(owner, _FUNCTIONS)

    assert [found[name] for name in found if name.endswith(".of_tomorrow")] == [{}] * 7


def test_no_role_gives_away_anything_by_itself(owner: psycopg.Connection[Any]) -> None:
    rows = owner.execute(
        "SELECT pg_get_userbyid(defaclrole), defaclobjtype, acl.grantee::regrole::text "
        "FROM pg_default_acl, aclexplode(defaclacl) AS acl WHERE acl.grantee <> defaclrole"
    ).fetchall()

    assert rows == []


def test_whoever_owns_something_is_the_owner_of_the_schema(owner: psycopg.Connection[Any]) -> None:
    rows = owner.execute(
        """
        SELECT DISTINCT pg_get_userbyid(o.owner) FROM (
            SELECT relowner AS owner FROM pg_class UNION ALL SELECT proowner FROM pg_proc
            UNION ALL SELECT nspowner FROM pg_namespace WHERE nspname <> 'public'
            UNION ALL SELECT typowner FROM pg_type UNION ALL SELECT oprowner FROM pg_operator
            UNION ALL SELECT datdba FROM pg_database
        ) o
        """
    ).fetchall()

    assert rows == [(EMBEDDED[Login.OWNER],)]


def test_what_runs_with_the_owner_s_rights_looks_for_names_in_one_place(owner: psycopg.Connection[Any]) -> None:
    rows = owner.execute(
        """
        SELECT p.oid::regprocedure::text, p.prosecdef, p.proconfig FROM pg_proc p
        JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')
          AND (p.prosecdef OR p.prorettype = 'trigger'::regtype)
        """
    ).fetchall()

    pinned = "search_path=pg_catalog, pg_temp"
    assert len(rows) >= 11
    assert [name for name, _, settings in rows if pinned not in (settings or [])] == []
