"""What PostgreSQL says a schema consists of, in words that are the same in every release.

Names of roles are turned back into the plain ones, and only what all releases spell alike is asked for: not the text
of a view, for instance, but the tables that it reads.
"""

import re
from collections.abc import Mapping
from typing import Any, LiteralString, TypeVar

import msgspec
import psycopg

from infrastructure.postgres.roles import roles_of

T = TypeVar("T", bound=msgspec.Struct)
EVERYBODY = "public"


class Column(msgspec.Struct, frozen=True):
    """A column; its default as PostgreSQL prints it."""

    name: str
    type: str
    collation: str | None
    """If it is not that of the database."""
    is_required: bool
    default: str | None
    comment: str | None


class Constraint(msgspec.Struct, frozen=True):
    """A key, a foreign key or a check; `kind` is the letter of pg_constraint."""

    kind: str
    columns: tuple[str, ...]
    definition: str
    refers_to: str | None


class Relation(msgspec.Struct, frozen=True, kw_only=True):
    """A table, or a view with the tables that it reads."""

    name: str
    is_view: bool
    comment: str | None
    storage: tuple[str, ...]
    columns: list[Column]
    constraints: list[Constraint]
    indexes: list[str]
    triggers: list[str]
    reads: list[str]
    rights: list[str]
    """A sentence for each role that may do something."""


class Function(msgspec.Struct, frozen=True, kw_only=True):
    """A function as it stands now."""

    name: str
    arguments: str
    result: str
    language: str
    runs_as_owner: bool
    settings: tuple[str, ...]
    callers: tuple[str, ...]
    source: str


class Catalogue(msgspec.Struct, frozen=True):
    """All of a database that is ours."""

    schemas: dict[str, list[str]]
    """Each with the roles that may look into it."""
    relations: dict[str, Relation]
    functions: list[Function]


def catalogue(connection: psycopg.Connection[Any]) -> Catalogue:
    """What there is in the connected database, each list in an order that does not depend on when it was made."""
    roles = {actual: plain for plain, actual in roles_of(connection).items()}
    parameters = {"roles": [*roles, EVERYBODY]}

    def rows(query: LiteralString) -> list[Any]:
        found = connection.execute(query, parameters).fetchall()
        return [tuple(_plain(value, roles) for value in row) for row in found]

    return Catalogue(
        schemas=dict(rows(_SCHEMAS)),
        relations={row[0]: _struct(Relation, row) for row in rows(_RELATIONS)},
        functions=[_struct(Function, row) for row in rows(_FUNCTIONS)],
    )


def _struct(kind: type[T], row: tuple[Any, ...]) -> T:
    return msgspec.convert(dict(zip(kind.__struct_fields__, row, strict=True)), kind)


def _plain(value: Any, roles: Mapping[str, str]) -> Any:
    """Text with the plain names of roles; the longest name first, because one may begin like another."""
    if isinstance(value, list):
        return [_plain(item, roles) for item in value]
    if not isinstance(value, str):
        return value
    for actual in sorted(roles, key=len, reverse=True):
        value = re.sub(rf"\b{re.escape(actual)}\b", roles[actual], value)
    return value


_SCHEMAS: LiteralString = """
SELECT n.nspname::text,
       ARRAY(SELECT r.role FROM unnest(%(roles)s::text[]) WITH ORDINALITY AS r (role, place)
             WHERE has_schema_privilege(r.role, n.oid, 'USAGE') ORDER BY r.place)
FROM pg_namespace n WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'public') AND n.nspname !~ '^pg_'
ORDER BY n.nspname
"""
_RELATIONS: LiteralString = """
SELECT n.nspname || '.' || c.relname, c.relkind = 'v', obj_description(c.oid, 'pg_class'),
       ARRAY(SELECT o FROM unnest(c.reloptions) AS o ORDER BY o COLLATE "C"),
       ARRAY(SELECT jsonb_build_object(
                 'name', a.attname, 'is_required', a.attnotnull, 'comment', col_description(c.oid, a.attnum),
                 'type', replace(format_type(a.atttypid, a.atttypmod), 'timestamp with time zone', 'timestamptz'),
                 'collation', (SELECT l.collname FROM pg_collation l JOIN pg_type y ON y.oid = a.atttypid
                               WHERE l.oid = a.attcollation AND l.oid <> y.typcollation),
                 'default', pg_get_expr(d.adbin, d.adrelid))
             FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
             WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum),
       ARRAY(SELECT jsonb_build_object(
                 'kind', k.contype, 'definition', pg_get_constraintdef(k.oid, true),
                 'refers_to', CASE k.contype WHEN 'f' THEN k.confrelid::regclass::text END,
                 'columns', ARRAY(SELECT a.attname FROM unnest(k.conkey) WITH ORDINALITY AS u (number, place)
                                  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = u.number ORDER BY u.place))
             FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype IN ('p', 'u', 'f', 'c')
             ORDER BY strpos('pufc', k.contype::text), pg_get_constraintdef(k.oid, true) COLLATE "C"),
       ARRAY(SELECT pg_get_indexdef(x.indexrelid) FROM pg_index x
             WHERE x.indrelid = c.oid
               AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = x.indexrelid AND k.contype IN ('p', 'u'))
             ORDER BY pg_get_indexdef(x.indexrelid) COLLATE "C"),
       ARRAY(SELECT pg_get_triggerdef(t.oid) FROM pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal
             ORDER BY t.tgname),
       ARRAY(SELECT DISTINCT d.refobjid::regclass::text COLLATE "C" FROM pg_rewrite w
             JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
             WHERE w.ev_class = c.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> c.oid ORDER BY 1),
       -- What a role may do with the whole table, or else with which of its columns.
       ARRAY(
           SELECT r.role || ': ' || string_agg(
               CASE WHEN has_table_privilege(r.role, c.oid, p.right) THEN p.right
                    ELSE p.right || ' (' || partial_columns.names || ')' END, ', ' ORDER BY p.place)
           FROM unnest(%(roles)s::text[]) WITH ORDINALITY AS r (role, number)
           CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE'])
                WITH ORDINALITY AS p ("right", place)
           CROSS JOIN LATERAL (
               SELECT string_agg(a.attname, ', ' ORDER BY a.attnum) AS names FROM pg_attribute a
               WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                 AND CASE WHEN p.right IN ('SELECT', 'INSERT', 'UPDATE')
                          THEN has_column_privilege(r.role, c.oid, a.attnum, p.right) END
           ) partial_columns
           WHERE has_table_privilege(r.role, c.oid, p.right) OR partial_columns.names IS NOT NULL
           GROUP BY r.role, r.number ORDER BY r.number)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'public') AND n.nspname !~ '^pg_'
  AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
ORDER BY n.nspname, c.relname
"""
_FUNCTIONS: LiteralString = """
SELECT n.nspname || '.' || p.proname,
       replace(pg_get_function_arguments(p.oid), 'timestamp with time zone', 'timestamptz'),
       replace(pg_get_function_result(p.oid), 'timestamp with time zone', 'timestamptz'), l.lanname::text, p.prosecdef,
       coalesce(p.proconfig, ARRAY[]::text[]),
       ARRAY(SELECT r.role FROM unnest(%(roles)s::text[]) WITH ORDINALITY AS r (role, place)
             WHERE has_function_privilege(r.role, p.oid, 'EXECUTE') ORDER BY r.place),
       p.prosrc
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'public') AND n.nspname !~ '^pg_'
ORDER BY n.nspname, p.proname, pg_get_function_arguments(p.oid) COLLATE "C"
"""
