"""As whom processes connect: a login that may do too much is told, in production refused; so is who may too little."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from structlog.testing import capture_logs

from infrastructure.postgres.connections import APP_ROLE, PROJECTOR_ROLE, in_role
from infrastructure.postgres.database import (
    DatabaseUnavailableError,
    embedded_as,
    migrate_embedded,
    migrated_database,
    owners_database,
    reached_as,
)
from infrastructure.postgres.logins import (
    EMBEDDED,
    ROLES,
    Login,
    LoginMayTooLittleError,
    LoginMayTooMuchError,
    check_login,
    provide_logins,
    require_roles,
)
from infrastructure.postgres.schema import SchemaIsOutOfDateError, check_schema, migrate, migrations
from infrastructure.settings import SettingInvalidError
from tests.support.running import follow_to_head, settings_in


@pytest.fixture
def somebody(database: str) -> Iterator[str]:
    """A login of the server that is nobody in particular yet."""
    name = f"somebody_{uuid.uuid4().hex}"
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute(sql.SQL("CREATE ROLE {} LOGIN NOINHERIT").format(sql.Identifier(name)))
        yield name
        owner.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(name)))
        owner.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def grant(database: str, statement: str, name: str) -> None:
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute(sql.SQL(statement).format(sql.Identifier(name)))


@pytest.mark.parametrize("login", ROLES)
def test_the_embedded_logins_may_do_what_they_need_and_no_more(database: str, login: Login) -> None:
    with capture_logs() as logs:
        check_login(embedded_as(login, database), login, production=True)
        require_roles(embedded_as(login, database), login)

    assert logs == []


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("ALTER ROLE {} SUPERUSER", "is a superuser"),
        ("ALTER ROLE {} CREATEROLE", "has attributes of an administrator"),
        ("ALTER ROLE {} BYPASSRLS", "has attributes of an administrator"),
        ("GRANT reprise_projector TO {}", "may become reprise_projector"),
        ("GRANT pg_read_server_files TO {}", "may become pg_read_server_files"),
        ("GRANT reprise_worker TO {}", "may become reprise_projector, reprise_sealer, reprise_worker"),
        ("CREATE SCHEMA owned AUTHORIZATION {}", "owns a schema"),
    ],
)
def test_a_login_of_the_api_that_may_do_more_is_told_and_in_production_refused(
    database: str, somebody: str, statement: str, told: str
) -> None:
    grant(database, "GRANT reprise_app TO {}", somebody)
    grant(database, statement, somebody)
    conninfo = make_conninfo(database, user=somebody)

    with capture_logs() as logs:
        check_login(conninfo, Login.API, production=False)
    with pytest.raises(LoginMayTooMuchError, match=f"^{somebody}, the login of the api, {told}"):
        check_login(conninfo, Login.API, production=True)

    assert [(entry["event"], entry["name"]) for entry in logs] == [("database.login_may_too_much", somebody)]


def test_the_owner_is_no_login_for_a_process(database: str) -> None:
    for login in ROLES:
        with pytest.raises(LoginMayTooMuchError):
            check_login(database, login, production=True)


def test_a_login_that_cannot_take_its_roles_is_told_which(database: str, somebody: str) -> None:
    grant(database, "GRANT reprise_app TO {}", somebody)
    conninfo = make_conninfo(database, user=somebody)

    require_roles(conninfo, Login.API)
    with pytest.raises(
        LoginMayTooLittleError, match=f"^{somebody} is no member of reprise_projector, reprise_sealer, as the login of"
    ):
        require_roles(conninfo, Login.WORKER)


def test_a_login_without_any_rights_learns_that_the_schema_is_too_old(empty_database: str, somebody: str) -> None:
    conninfo = make_conninfo(empty_database, user=somebody)
    with pytest.raises(SchemaIsOutOfDateError):
        check_schema(conninfo)
    migrate(empty_database, migrations()[:18])
    with pytest.raises(SchemaIsOutOfDateError, match=r"0001_log\.sql|0019"):
        check_schema(conninfo)

    migrate(empty_database)

    check_schema(conninfo)


def test_each_login_has_a_variable_and_that_of_the_api_stands_in(database: str, home: Path) -> None:
    api, worker = embedded_as(Login.API, database), embedded_as(Login.WORKER, database)
    one = settings_in(home, REPRISE_DATABASE_URL=database)
    each = settings_in(
        home, REPRISE_DATABASE_URL=api, REPRISE_WORKER_DATABASE_URL=worker, REPRISE_OWNER_DATABASE_URL=database
    )

    assert [user_of(reached_as(login, one)) for login in Login] == ["postgres"] * 3
    assert [user_of(reached_as(login, each)) for login in Login] == [EMBEDDED[login] for login in Login]


def test_a_login_that_is_missing_is_asked_for_by_its_variable(database: str, home: Path) -> None:
    settings = settings_in(home, REPRISE_OWNER_DATABASE_URL=database)

    with owners_database(settings) as conninfo:
        assert user_of(conninfo) == "postgres"
    with pytest.raises(SettingInvalidError, match=r"^REPRISE_DATABASE_URL must be set"):
        reached_as(Login.API, settings)
    with pytest.raises(DatabaseUnavailableError, match=r"^REPRISE_WORKER_DATABASE_URL cannot be reached"):
        reached_as(Login.WORKER, settings_in(home, REPRISE_WORKER_DATABASE_URL="host=127.0.0.1 port=1"))


def user_of(conninfo: str) -> str:
    with psycopg.connect(conninfo) as connection:
        row = connection.execute("SELECT session_user").fetchone()
    assert row
    return str(row[0])


def test_an_embedded_database_of_before_gets_its_logins_at_the_next_start(home: Path) -> None:
    settings = settings_in(home)
    with owners_database(settings) as conninfo:
        migrate(conninfo, migrations()[:18])
        with psycopg.connect(in_role(conninfo, PROJECTOR_ROLE)) as before:
            before.execute("CREATE TABLE read_model.of_before_1 (a bigint)")

    with migrated_database(settings, Login.API) as api, migrated_database(settings, Login.WORKER) as worker:
        assert [user_of(conninfo) for conninfo in (api, worker)] == [EMBEDDED[Login.API], EMBEDDED[Login.WORKER]]
        with psycopg.connect(in_role(worker, PROJECTOR_ROLE)) as projector:
            projector.execute("INSERT INTO read_model.of_before_1 VALUES (1)")
        with psycopg.connect(in_role(api, APP_ROLE)) as app:
            assert app.execute("SELECT * FROM read_model.of_before_1").fetchall() == [(1,)]


def test_logins_that_are_there_are_left_alone(database: str) -> None:
    provide_logins(database)

    assert migrate_embedded(database) == []


@pytest.fixture
def plain_owner(empty_database: str) -> Iterator[str]:
    """How an owner connects who is no superuser, as hosted databases have them."""
    name = sql.Identifier(f"owner_{uuid.uuid4().hex}")
    with psycopg.connect(empty_database, autocommit=True) as superuser:
        superuser.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEROLE").format(name))
        superuser.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(sql.Identifier(superuser.info.dbname), name))
        yield make_conninfo(empty_database, user=name.as_string(superuser).strip('"'))
        superuser.execute(sql.SQL("REASSIGN OWNED BY {} TO postgres").format(name))
        superuser.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(name))
        superuser.execute(sql.SQL("DROP ROLE {}").format(name))


def test_a_plain_owner_brings_a_database_of_before_up_to_date(plain_owner: str, empty_database: str) -> None:
    migrate(plain_owner, migrations()[:18])
    with psycopg.connect(in_role(plain_owner, PROJECTOR_ROLE)) as before:
        before.execute("CREATE TABLE read_model.of_before_1 (a bigint PRIMARY KEY)")

    migrate(plain_owner)

    provide_logins(empty_database)
    follow_to_head(empty_database)
    with psycopg.connect(empty_database) as superuser:
        owners = superuser.execute(
            "SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class WHERE relnamespace = 'read_model'::regnamespace"
        ).fetchall()
        assert owners == [(user_of(plain_owner),)]
    with (
        psycopg.connect(embedded_as(Login.API, empty_database)) as api,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        api.execute("CREATE TEMPORARY TABLE trap (a integer)")


@pytest.mark.parametrize(
    "planted",
    [
        "CREATE VIEW read_model.planted AS SELECT 1",
        "CREATE FUNCTION read_model.planted() RETURNS integer RETURN 1",
        "ALTER TABLE read_model.mine_1 ADD b bigint DEFAULT pg_backend_pid()",
        "CREATE RULE planted AS ON UPDATE TO read_model.mine_1 DO INSTEAD NOTHING",
        "ALTER TABLE read_model.mine_1 ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY planted ON read_model.mine_1 USING (pg_backend_pid() > 0)",
        "CREATE INDEX planted ON read_model.mine_1 ((a + 1))",
        "ALTER TABLE read_model.mine_1 ADD CHECK (a > pg_backend_pid())",
        "CREATE TABLE read_model.child_1 () INHERITS (read_model.mine_1)",
        "CREATE TRIGGER planted AFTER INSERT ON read_model.mine_1 FOR EACH ROW EXECUTE FUNCTION keys.destroy()",
    ],
)
def test_what_somebody_has_planted_among_the_read_models_is_not_taken_over(empty_database: str, planted: str) -> None:
    migrate(empty_database, migrations()[:18])
    with psycopg.connect(in_role(empty_database, PROJECTOR_ROLE)) as before:
        before.execute("CREATE TABLE read_model.mine_1 (a bigint)")
        before.execute(planted.encode())

    with pytest.raises(psycopg.errors.RaiseException, match="is not what Reprise makes"):
        migrate(empty_database)


def test_a_worker_of_before_goes_on_following_but_makes_no_tables(history: str) -> None:
    follow_to_head(history)
    with psycopg.connect(in_role(history, PROJECTOR_ROLE), autocommit=True) as of_before:
        of_before.execute("UPDATE read_model.user_directory_1 SET country = country")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            of_before.execute("CREATE TABLE read_model.user_directory_2 (a bigint)")
