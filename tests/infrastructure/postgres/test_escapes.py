"""What somebody tries who has a process run their SQL: every way out of its role is closed.

They may take any role that the login may take, give it up, and go on from there.
"""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg import errors, sql

from infrastructure.embedded_postgres import EmbeddedPostgres
from infrastructure.postgres.connections import APP_ROLE, PROJECTOR_ROLE, SEALER_ROLE, in_role
from infrastructure.postgres.database import embedded_as
from infrastructure.postgres.logins import EMBEDDED, ROLES, Login
from infrastructure.postgres.schema import migrate
from tests.support.appending import Command, append
from tests.support.cli import new_database
from tests.support.running import follow_to_head

POSITIONS = [(login, role) for login in ROLES for role in (None, *ROLES[login])]
"""Each login, with no role and with each of its own."""
SOMEBODY = uuid.UUID(int=7)

TO_BECOME_ANOTHER = (
    "SET ROLE postgres",
    "SET LOCAL ROLE postgres",
    "SET SESSION AUTHORIZATION postgres",
    "SELECT set_config('role', 'postgres', false)",
    "SELECT set_config('session_authorization', 'postgres', false)",
    "GRANT postgres TO reprise_api, reprise_worker",
    "GRANT pg_execute_server_program TO reprise_api",
    "GRANT pg_write_all_data TO reprise_worker",
    "GRANT reprise_sealer TO reprise_app",
    "CREATE ROLE mallory SUPERUSER LOGIN",
    "ALTER ROLE reprise_app LOGIN",
    "ALTER ROLE reprise_worker SUPERUSER",
    "ALTER ROLE reprise_api CREATEROLE",
    "ALTER ROLE postgres PASSWORD 'known'",
    "ALTER ROLE postgres SET search_path = public",
    "ALTER ROLE ALL SET search_path = public",
    "ALTER DATABASE postgres OWNER TO reprise_api",
    "REASSIGN OWNED BY postgres TO reprise_api",
)
TO_GET_AT_THE_MACHINE = (
    "COPY (SELECT 1) TO PROGRAM 'true'",
    "COPY schema_migration.applied FROM PROGRAM 'true'",
    "COPY (SELECT 1) TO '/tmp/reprise-escape'",
    "COPY schema_migration.applied FROM '/etc/passwd'",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT pg_read_binary_file('postgresql.conf')",
    "SELECT pg_ls_dir('.')",
    "SELECT lo_import('/etc/passwd')",
    "SELECT lo_export(1, '/tmp/reprise-escape')",
    "LOAD 'auto_explain'",
    "CREATE FUNCTION public.system(text) RETURNS integer LANGUAGE c AS 'libc.so.6', 'system'",
    "SELECT pg_reload_conf()",
    "SELECT pg_switch_wal()",
    "CREATE EXTENSION pg_stat_statements",
    "CREATE FOREIGN DATA WRAPPER elsewhere",
    "CREATE SUBSCRIPTION elsewhere CONNECTION 'host=127.0.0.1' PUBLICATION mine WITH (connect = false)",
)
TO_PLANT_CODE = (
    *(
        f"CREATE {thing}"
        for schema in ("log", "keys", "projection", "read_model", "audit", "library", "schema_migration", "public")
        for thing in (
            f"TABLE {schema}.trap (a integer)",
            f"VIEW {schema}.trap AS SELECT 1",
            f"FUNCTION {schema}.trap() RETURNS integer RETURN 1",
            f"TYPE {schema}.trap AS ENUM ('a')",
        )
    ),
    "CREATE TEMPORARY TABLE trap (a integer)",
    "CREATE TEMPORARY VIEW trap AS SELECT 1",
    "CREATE FUNCTION pg_temp.trap() RETURNS integer RETURN 1",
    "CREATE SCHEMA trap",
    "CREATE PUBLICATION trap FOR ALL TABLES",
    "CREATE EVENT TRIGGER trap ON ddl_command_start EXECUTE FUNCTION keys.destroy()",
    "ALTER FUNCTION log.append SECURITY INVOKER",
    "ALTER FUNCTION log.append_each SET search_path = public",
    "CREATE OR REPLACE FUNCTION log.refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    *(
        statement.format(table)
        for table in (
            "log.event",
            "log.head",
            "keys.subject_key",
            "projection.generation",
            "read_model.user_directory_1",
        )
        for statement in (
            "CREATE TRIGGER trap BEFORE INSERT ON {} FOR EACH ROW EXECUTE FUNCTION keys.destroy()",
            "CREATE RULE trap AS ON INSERT TO {} DO INSTEAD NOTHING",
            "CREATE POLICY trap ON {}",
            "ALTER TABLE {} ENABLE ROW LEVEL SECURITY",
            "ALTER TABLE {} DISABLE TRIGGER ALL",
            "ALTER TABLE {} ADD COLUMN trap integer DEFAULT 1",
            "ALTER TABLE {} OWNER TO reprise_projector",
            "ALTER TABLE {} RENAME TO trap",
            "CREATE INDEX trap ON {} ((1))",
            "TRUNCATE {}",
            "DROP TABLE {}",
        )
    ),
)
TO_GO_PAST_THE_RULES = (
    "LOCK TABLE log.head IN ACCESS EXCLUSIVE MODE",
    "LOCK TABLE log.event IN SHARE MODE",
    "LOCK TABLE keys.subject_key IN ACCESS EXCLUSIVE MODE",
    "SET session_replication_role = replica",
    "SET allow_system_table_mods = on",
    "INSERT INTO log.event SELECT 9, now(), gen_random_uuid(), 1, 't', ''",
    "UPDATE log.event SET state = ''",
    "DELETE FROM log.event",
    'UPDATE log.head SET "position" = 0',
    "DELETE FROM log.command",
    "UPDATE keys.subject_key SET wrapped = NULL, master_id = NULL",
    "DELETE FROM keys.master_key",
    'INSERT INTO keys.erasure (subject_id, "position", recorded_at) VALUES (gen_random_uuid(), 1, now())',
    "UPDATE keys.claims_key SET fingerprint = ''",
    "SELECT keys.destroy()",
    "SELECT log.refuse_change()",
    "SELECT log.append_each('{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}')",
    "DELETE FROM audit.checkpoint",
    "INSERT INTO schema_migration.applied VALUES ('9999_later.sql', '')",
    "GRANT EXECUTE ON FUNCTION keys.destroy TO PUBLIC",
    "GRANT CREATE ON SCHEMA read_model TO PUBLIC",
    "GRANT ALL ON keys.subject_key TO PUBLIC",
    "ALTER DEFAULT PRIVILEGES FOR ROLE postgres GRANT ALL ON TABLES TO PUBLIC",
    "SELECT * FROM pg_authid",
    "SELECT * FROM pg_statistic",
    "UPDATE pg_class SET relowner = 0",
)
BY_ITSELF = (
    "ALTER SYSTEM SET archive_command = 'true'",
    "ALTER SYSTEM RESET ALL",
    "CREATE DATABASE trap",
    "DROP DATABASE postgres",
)
"""What PostgreSQL does in no transaction of somebody's."""
NOTHING_GRANTED = "01007"
"""SQLSTATE of the warning that a GRANT has come to nothing."""


@pytest.fixture(scope="module")
def used(server: EmbeddedPostgres, template: str) -> Iterator[str]:
    """A database with a person's key and tables of read models; how its owner connects to it."""
    with new_database(server, template) as conninfo:
        migrate(conninfo)
        follow_to_head(conninfo)
        with psycopg.connect(conninfo) as owner:
            owner.execute("INSERT INTO keys.master_key VALUES (1, 'test', '')")
            owner.execute("INSERT INTO keys.subject_key VALUES (%s, 1, 'key')", (SOMEBODY,))
        yield conninfo


@contextmanager
def intruder(database: str, login: Login, role: str | None = None) -> Iterator[psycopg.Connection[Any]]:
    """Whoever has a process of this login run their SQL; it comes to nothing in the end."""
    with psycopg.connect(embedded_as(login, database)) as connection:
        if role:
            connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
        yield connection
        connection.rollback()


def accepted(connection: psycopg.Connection[Any], statements: Sequence[str]) -> list[str]:
    """Those of the statements that the database does not refuse."""
    return [statement for statement in statements if not is_refused(connection, statement)]


def is_refused(connection: psycopg.Connection[Any], statement: str) -> bool:
    notices: list[str | None] = []
    connection.add_notice_handler(lambda notice: notices.append(notice.sqlstate))
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(statement.encode())
    except errors.InsufficientPrivilege:
        return True
    return NOTHING_GRANTED in notices


@pytest.mark.parametrize(("login", "role"), POSITIONS)
@pytest.mark.parametrize(
    "statements",
    [
        pytest.param(TO_BECOME_ANOTHER, id="become another"),
        pytest.param(TO_GET_AT_THE_MACHINE, id="get at the machine"),
        pytest.param(TO_PLANT_CODE, id="plant code"),
        pytest.param(TO_GO_PAST_THE_RULES, id="go past the rules"),
    ],
)
def test_every_way_out_is_closed(used: str, login: Login, role: str | None, statements: Sequence[str]) -> None:
    with intruder(used, login, role) as connection:
        assert accepted(connection, statements) == []


@pytest.mark.parametrize(("login", "role"), POSITIONS)
def test_nor_is_there_one_outside_of_transactions(used: str, login: Login, role: str | None) -> None:
    with psycopg.connect(in_role(embedded_as(login, used), role or "none"), autocommit=True) as connection:
        for statement in BY_ITSELF:
            with pytest.raises(errors.InsufficientPrivilege):
                connection.execute(statement.encode())


@pytest.mark.parametrize(
    "way_back", ["RESET ROLE", "SET ROLE NONE", "SET SESSION AUTHORIZATION DEFAULT", "DISCARD ALL"]
)
@pytest.mark.parametrize(("login", "role"), [(Login.API, APP_ROLE), (Login.WORKER, PROJECTOR_ROLE)])
def test_whoever_gives_up_the_role_may_do_nothing_at_all(used: str, login: Login, role: str, way_back: str) -> None:
    conninfo = in_role(embedded_as(login, used), role)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(way_back.encode())
        connection.execute("SET ROLE NONE")

        assert (
            accepted(
                connection,
                [
                    'SELECT "position" FROM log.head',
                    "SELECT FROM keys.subject_key",
                    "SELECT FROM read_model.user_directory_1",
                    "SELECT log.position_before(now())",
                    "INSERT INTO projection.rebuild (id, name) VALUES (gen_random_uuid(), 'user_directory')",
                ],
            )
            == []
        )


def test_the_api_cannot_become_a_worker_nor_a_worker_the_api(used: str) -> None:
    with intruder(used, Login.API) as api, intruder(used, Login.WORKER) as worker:
        others = [f"SET ROLE {role}" for role in (PROJECTOR_ROLE, SEALER_ROLE, EMBEDDED[Login.WORKER])]
        assert accepted(api, others) == []
        assert accepted(worker, [f"SET ROLE {EMBEDDED[Login.API]}"]) == []


def test_the_api_ends_no_session_of_a_worker_or_the_owner(used: str) -> None:
    with (
        intruder(used, Login.API) as api,
        psycopg.connect(embedded_as(Login.WORKER, used)) as worker,
        psycopg.connect(used) as owner,
    ):
        for other in (worker, owner):
            pid = other.info.backend_pid
            assert accepted(api, [f"SELECT pg_terminate_backend({pid})", f"SELECT pg_cancel_backend({pid})"]) == []


def test_a_trigger_on_a_table_of_one_s_own_destroys_no_key(used: str) -> None:
    with psycopg.connect(used, autocommit=True) as owner:
        owner.execute("CREATE SCHEMA own")
        owner.execute("GRANT CREATE, USAGE ON SCHEMA own TO reprise_app, reprise_projector")
        for login, role in ((Login.API, APP_ROLE), (Login.WORKER, PROJECTOR_ROLE)):
            with intruder(used, login, role) as connection:
                connection.execute(TRAP)
                assert accepted(connection, [TRIGGER]) == []
        owner.execute("DROP SCHEMA own")


def test_not_even_a_trigger_of_the_owner_s_destroys_a_key_without_the_fact(used: str) -> None:
    with psycopg.connect(used) as owner:
        owner.execute("CREATE SCHEMA own")
        owner.execute(TRAP)
        owner.execute(TRIGGER)

        assert accepted(owner, [PRETENCE]) == []
        owner.rollback()


def test_what_lies_among_temporary_things_is_not_taken_for_what_functions_name(used: str) -> None:
    with temporary_things_allowed(used), intruder(used, Login.API, APP_ROLE) as connection:
        for thing in (
            "TABLE pg_temp.head (only_one boolean, position bigint, recorded_at timestamptz)",
            "FUNCTION pg_temp.clock_timestamp() RETURNS timestamptz RETURN 'infinity'::timestamptz",
            "FUNCTION pg_temp.unnest(integer[]) RETURNS SETOF integer LANGUAGE sql AS 'SELECT 1 / 0'",
            "DOMAIN pg_temp.bigint AS pg_catalog.int8 CHECK (VALUE < 0)",
            "DOMAIN pg_temp.timestamptz AS pg_catalog.timestamptz CHECK (VALUE < '-infinity')",
        ):
            connection.execute(f"CREATE {thing}".encode())
        connection.execute("SET LOCAL search_path = pg_temp, pg_catalog")

        outcomes = append(connection, Command((uuid.uuid4(), 1)))

    assert outcomes == [("appended", 1)]


@contextmanager
def temporary_things_allowed(database: str) -> Iterator[None]:
    """As on a database whose owner is somebody else, who has left it as PostgreSQL makes it."""
    with psycopg.connect(database, autocommit=True) as owner:
        name = sql.Identifier(owner.info.dbname)
        owner.execute(sql.SQL("GRANT TEMPORARY ON DATABASE {} TO PUBLIC").format(name))
        yield
        owner.execute(sql.SQL("REVOKE TEMPORARY ON DATABASE {} FROM PUBLIC").format(name))


@pytest.mark.parametrize(
    "call",
    [
        "create_table('trap', ARRAY['a'], ARRAY['bigint DEFAULT pg_backend_pid()'], ARRAY[false], 100)",
        "create_table('trap', ARRAY['a'], ARRAY['read_model.trap'], ARRAY[false], 100)",
        "create_table('trap', ARRAY['a'], ARRAY[NULL], ARRAY[false], 100)",
        "create_table('trap', ARRAY['a bigint DEFAULT 1, b'], ARRAY['numeric'], ARRAY[false], 100)",
        "create_index('trap', 'user_directory_1', 'btree (pg_sleep(9)) --', ARRAY['country'])",
        "create_index('trap', 'user_directory_1', NULL, ARRAY['country'])",
    ],
)
def test_tables_of_read_models_have_plain_columns_and_indexes_only(used: str, call: str) -> None:
    with intruder(used, Login.WORKER, PROJECTOR_ROLE) as connection, pytest.raises(errors.InvalidParameterValue):
        connection.execute(f"SELECT projection.{call}".encode())


def test_what_looks_like_code_in_names_is_part_of_the_names(used: str) -> None:
    odd = 'x" (a integer); DROP SCHEMA log CASCADE; --'
    with intruder(used, Login.WORKER, PROJECTOR_ROLE) as connection:
        connection.execute("SELECT projection.create_table(%s, %s, '{uuid}', '{t}', 100)", (odd, [odd]))
        connection.execute("SELECT projection.add_primary_key(%s, %s)", (odd, [odd]))
        connection.execute("SELECT projection.create_index('i', %s, 'btree', %s)", (odd, [odd]))
        connection.execute("SELECT projection.analyze_table(%s)", (odd,))

        names = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'read_model'::regnamespace AND relkind = 'r'"
        ).fetchall()
        assert (odd[:63],) in names

        connection.execute("SELECT projection.drop_table(%s)", (odd,))


def test_in_place_of_a_table_that_it_drops_the_projector_can_put_nothing_that_runs(used: str) -> None:
    with intruder(used, Login.WORKER, PROJECTOR_ROLE) as connection:
        connection.execute("SELECT projection.drop_table('user_directory_1')")

        assert (
            accepted(
                connection,
                [
                    "CREATE VIEW read_model.user_directory_1 AS SELECT log.position_before(now())",
                    "CREATE MATERIALIZED VIEW read_model.user_directory_1 AS SELECT 1",
                    "ALTER TABLE read_model.user_timeline_1 RENAME TO user_directory_1",
                ],
            )
            == []
        )


def test_logins_are_members_of_their_roles_and_of_nothing_else(used: str) -> None:
    with psycopg.connect(used) as owner:
        members = owner.execute(
            "SELECT member::regrole::text, roleid::regrole::text, admin_option FROM pg_auth_members "
            "WHERE member::regrole::text LIKE 'reprise%'"
        ).fetchall()
        attributes = owner.execute(
            "SELECT rolname, rolcanlogin FROM pg_roles WHERE rolname LIKE 'reprise%' AND NOT "
            "(rolsuper OR rolinherit AND rolcanlogin OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls)"
        ).fetchall()

    assert set(members) == {(EMBEDDED[login], role, False) for login in ROLES for role in ROLES[login]}
    assert dict(attributes) == dict.fromkeys(ROLES[Login.WORKER], False) | {EMBEDDED[login]: True for login in ROLES}


TRAP: LiteralString = """
CREATE TABLE own.trap (stream_id uuid, "position" bigint, recorded_at timestamptz, topic text)
"""
TRIGGER = "CREATE TRIGGER trap AFTER INSERT ON own.trap FOR EACH ROW EXECUTE FUNCTION keys.destroy()"
PRETENCE = f"INSERT INTO own.trap VALUES ('{SOMEBODY}', 1, now(), 'user.erased')"  # noqa: S608 - ours
