"""Each database has roles of its own, so deployments that share a server share nothing else."""

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from infrastructure.embedded_postgres import EmbeddedPostgres
from infrastructure.postgres.connections import APP_ROLE, PROJECTOR_ROLE, as_projector, in_role
from infrastructure.postgres.logins import Login, admit_logins, check_login, require_roles
from infrastructure.postgres.role_separation import (
    RolesNotSharedError,
    SeparationUnderWayError,
    _rights,
    retire_shared_roles,
    separate_roles,
)
from infrastructure.postgres.roles import PLAIN, others_with_roles_of, roles_at
from infrastructure.postgres.schema import migrate, migrations
from tests.support.deployments import Deployment, deployment, drop, migrate_as_before

OF_BEFORE = [migration for migration in migrations() if migration.name < "0024"]
EVERYBODY = (Login.API, Login.WORKER, Login.OWNER)


@pytest.fixture
def two(server: EmbeddedPostgres, template: str, tmp_path: Path) -> Iterator[tuple[Deployment, Deployment]]:
    """Two deployments on a server that has a third one, with the plain roles."""
    with ExitStack() as deployments:
        first, second = (
            deployments.enter_context(
                deployment(server.conninfo("postgres"), f"{name}_{uuid.uuid4().hex[:8]}", tmp_path / name)
            )
            for name in ("first", "second")
        )
        assert dict(roles_at(server.conninfo(template))) == dict(zip(PLAIN, PLAIN, strict=True))
        yield first, second


def refused(conninfo: str, statement: str) -> bool:
    with psycopg.connect(conninfo) as connection:
        try:
            connection.execute(statement.encode())
        except psycopg.errors.InsufficientPrivilege:
            return True
    return False


def test_two_deployments_of_different_owners_work_beside_each_other(two: tuple[Deployment, Deployment]) -> None:
    for one in two:
        reprise = one.reprise
        assert reprise.call("migrate", "--json").json["applied"][0] == "0001_log.sql"
        assert reprise.call("import", "examples/people.jsonl", "--json").json["imported"] == 53
        assert reprise.call("projections", "rebuild", "user_directory").code == 0
        assert reprise.call("projections", "verify", "user_directory", "--all").code == 0
        assert reprise.call("audit", "checkpoint").code == 0
        assert reprise.call("audit", "verify", "--json").json["findings"] == []
        for login in (Login.API, Login.WORKER):
            check_login(one.conninfo(login), login, production=True)
            require_roles(one.conninfo(login), login)


def test_nobody_of_one_deployment_reads_the_other_or_takes_its_roles(two: tuple[Deployment, Deployment]) -> None:
    for one in two:
        assert one.reprise.call("migrate").code == 0
    for one, other in (two, two[::-1]):
        for login in EVERYBODY:
            elsewhere = make_conninfo(one.conninfo(login), dbname=other.name)
            for role in roles_at(other.conninfo(Login.OWNER)).values():
                assert refused(one.conninfo(login), f"SET ROLE {role}"), (login, role)
                assert refused(one.conninfo(login), f"GRANT {role} TO {one.name}_{login}"), (login, role)
            assert refused(elsewhere, "SELECT FROM log.event"), login
            for role in roles_at(one.conninfo(Login.OWNER)).values() if login is not Login.API else ():
                assert refused(elsewhere, f"SET ROLE {role}; SELECT FROM log.event"), (login, role)


def test_a_database_keeps_its_roles_under_another_name(two: tuple[Deployment, Deployment]) -> None:
    one, other = two
    assert one.reprise.call("migrate").code == 0
    before = dict(roles_at(one.conninfo(Login.OWNER)))
    with psycopg.connect(one.superuser, autocommit=True) as server:
        renamed = sql.Identifier(f"{one.name}_renamed")
        server.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(one.name), renamed))
        # Somebody else takes the name, and so would like the roles, too.
        server.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(*map(sql.Identifier, (other.name, one.name))))
    after, another = (make_conninfo(one.superuser, dbname=name) for name in (f"{one.name}_renamed", one.name))

    try:
        migrate(after)
        migrate(another)

        assert dict(roles_at(after)) == before
        assert set(roles_at(another).values()).isdisjoint(before.values())
        with psycopg.connect(as_projector(make_conninfo(after, user=f"{one.name}_worker"))) as projector:
            projector.execute("SELECT projection.create_table('later', '{a}', '{bigint}', '{t}', 100)")
            projector.execute("INSERT INTO read_model.later VALUES (1)")
    finally:
        with psycopg.connect(one.superuser, autocommit=True) as server:
            drop(server, f"{one.name}_renamed")


def test_a_role_that_was_given_another_name_is_not_found_any_more_and_told(two: tuple[Deployment, Deployment]) -> None:
    one, _ = two
    assert one.reprise.call("migrate").code == 0
    role = roles_at(one.conninfo(Login.OWNER))[APP_ROLE]
    with psycopg.connect(one.superuser, autocommit=True) as server:
        server.execute(sql.SQL("ALTER ROLE {} RENAME TO {}").format(*map(sql.Identifier, (role, f"{role}_x"))))

    told = one.reprise.call("log", "status").err

    assert f"is no member of {role}, as the login of the api has to be" in told


def test_a_database_that_is_made_again_takes_the_roles_of_the_one_before(two: tuple[Deployment, Deployment]) -> None:
    one, _ = two
    assert one.reprise.call("migrate").code == 0
    before = dict(roles_at(one.conninfo(Login.OWNER)))
    with psycopg.connect(one.superuser, autocommit=True) as server:
        name, owner = sql.Identifier(one.name), sql.Identifier(f"{one.name}_owner")
        server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))
        server.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(name, owner))

    migrate(one.conninfo(Login.OWNER))

    assert dict(roles_at(one.conninfo(Login.OWNER))) == before
    require_roles(one.conninfo(Login.API), Login.API)


def test_nobody_takes_the_roles_that_somebody_else_s_database_has_left(two: tuple[Deployment, Deployment]) -> None:
    one, other = two
    assert one.reprise.call("migrate").code == 0
    before = set(roles_at(one.conninfo(Login.OWNER)).values())
    with psycopg.connect(one.superuser, autocommit=True) as server:
        name, owner = sql.Identifier(one.name), sql.Identifier(f"{other.name}_owner")
        server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))
        server.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(name, owner))
    taken_over = make_conninfo(other.conninfo(Login.OWNER), dbname=one.name)

    migrate(taken_over)

    assert set(roles_at(taken_over).values()) == {f"{name}_2" for name in before}


def test_databases_that_are_migrated_at_once_get_different_roles(two: tuple[Deployment, Deployment]) -> None:
    """Their names differ in nothing that a role's name may contain."""
    one, _ = two
    names = [f"{one.name}-{sign}" for sign in "+!"]
    with psycopg.connect(one.superuser, autocommit=True) as server:
        for name in names:
            server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    databases = [make_conninfo(one.superuser, dbname=name) for name in names]

    try:
        with ThreadPoolExecutor(2) as both:
            list(both.map(migrate, databases))

        first, second = (set(roles_at(conninfo).values()) for conninfo in databases)
        assert first.isdisjoint(second)
        assert all(conninfo_to_dict(in_role(conninfo, PROJECTOR_ROLE)) for conninfo in databases)
    finally:
        with psycopg.connect(one.superuser, autocommit=True) as server:
            for name in names:
                drop(server, name)


@pytest.mark.parametrize("name", ['Größe & "Co" 100 %s {}\';--', "x" * 63, "ü"])
def test_the_name_of_a_database_may_be_any(name: str, server: EmbeddedPostgres, template: str, tmp_path: Path) -> None:
    assert roles_at(server.conninfo(template))
    superuser = server.conninfo("postgres")
    with psycopg.connect(superuser, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    conninfo = make_conninfo(superuser, dbname=name)

    try:
        migrate(conninfo)
        roles = roles_at(conninfo)

        with psycopg.connect(in_role(conninfo, APP_ROLE)) as app:
            assert app.execute('SELECT current_user, (SELECT "position" FROM log.head)').fetchone() == (
                roles[APP_ROLE],
                0,
            )
    finally:
        with psycopg.connect(superuser, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
            for role in roles.values():
                connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


def test_a_database_of_before_keeps_the_plain_roles_and_both_releases_work(
    two: tuple[Deployment, Deployment], empty_database: str
) -> None:
    migrate_as_before(empty_database, OF_BEFORE)
    with psycopg.connect(f"{empty_database} options='-c role={PROJECTOR_ROLE}'", autocommit=True) as of_before:
        migrate(empty_database)

        of_before.execute("SELECT projection.create_table('later', '{a}', '{bigint}', '{t}', 100)")
        of_before.execute("INSERT INTO read_model.later VALUES (1)")
        with psycopg.connect(in_role(empty_database, APP_ROLE)) as app:
            assert app.execute("SELECT current_user, a FROM read_model.later").fetchone() == (APP_ROLE, 1)
    assert dict(roles_at(empty_database)) == dict(zip(PLAIN, PLAIN, strict=True))


def test_before_it_is_migrated_a_database_of_before_has_the_plain_roles(empty_database: str) -> None:
    migrate_as_before(empty_database, OF_BEFORE)

    assert dict(roles_at(empty_database)) == dict(zip(PLAIN, PLAIN, strict=True))


def test_logins_are_admitted_to_what_they_need_and_the_owner_is_left_alone(two: tuple[Deployment, Deployment]) -> None:
    one, _ = two
    owner = one.conninfo(Login.OWNER)
    migrate(owner)

    admit_logins(owner, {Login.API: f"{one.name}_api", Login.WORKER: f"{one.name}_owner"})
    admit_logins(owner, {Login.API: "nobody_of_that_name", Login.WORKER: f"{one.name}_owner"})

    check_login(one.conninfo(Login.API), Login.API, production=True)
    require_roles(one.conninfo(Login.API), Login.API)


@pytest.fixture
def sharing(two: tuple[Deployment, Deployment]) -> tuple[Deployment, Deployment]:
    """Two deployments of before, after a superuser gave the second owner the roles of the first."""
    with psycopg.connect(two[0].superuser, autocommit=True) as server:
        for one in two:
            for role in PLAIN:
                server.execute(f"GRANT {role} TO {one.name}_owner WITH ADMIN OPTION".encode())
    for one in two:
        migrate_as_before(one.conninfo(Login.OWNER), OF_BEFORE)
        with psycopg.connect(one.conninfo(Login.OWNER), autocommit=True) as owner:
            for role in PLAIN:
                owner.execute(f"GRANT {role} TO {one.name}_worker".encode())
            owner.execute(f"GRANT {APP_ROLE} TO {one.name}_api".encode())
    return two


def test_deployments_that_shared_roles_are_separated_while_they_run(sharing: tuple[Deployment, Deployment]) -> None:
    one, other = sharing
    elsewhere = make_conninfo(other.conninfo(Login.API), dbname=one.name)
    assert not refused(elsewhere, f"SET ROLE {APP_ROLE}; SELECT FROM log.event")
    for each in sharing:
        assert each.reprise.call("migrate", "--json").json["rolesSharedWith"] != []

    with psycopg.connect(in_role(one.conninfo(Login.API), APP_ROLE), autocommit=True) as running:
        assert one.reprise.call("roles", "separate").code == 0
        running.execute("SELECT FROM log.event")
        check_login(one.conninfo(Login.API), Login.API, production=True)
        assert one.reprise.call("import", "examples/people.jsonl", "--json").json["imported"] == 53
        assert one.reprise.call("projections", "rebuild", "user_directory").code == 0
        running.execute("SELECT FROM read_model.user_directory_1")
        assert one.reprise.call("roles", "retire", "--json").json["retired"] == sorted(PLAIN)

    assert refused(elsewhere, f"SET ROLE {APP_ROLE}; SELECT FROM log.event")
    assert refused(elsewhere, f"SET ROLE {APP_ROLE}; SELECT FROM read_model.user_directory_1")
    assert one.reprise.call("projections", "rebuild", "user_directory").code == 0
    assert one.reprise.call("audit", "checkpoint").code == 0
    for login in (Login.API, Login.WORKER):
        check_login(one.conninfo(login), login, production=True)
    listed = one.reprise.call("roles", "list", "--json").json
    assert (listed["sharedWith"], listed["toRetire"], set(listed["roles"])) == ([], [], set(PLAIN))
    assert other.reprise.call("import", "examples/people.jsonl", "--json").json["imported"] == 53


def test_everything_that_a_shared_role_may_its_successor_may_too(database: str) -> None:
    def rights(role: str) -> set[str]:
        with psycopg.connect(database) as connection:
            return set(_rights(connection, role))

    before = dict(roles_at(database))
    expected = {plain: rights(name) for plain, name in before.items()}
    with psycopg.connect(database) as owner:
        owner.execute("CREATE TABLE public.beside (a integer, b integer)")
        owner.execute(f"GRANT SELECT (b) ON beside TO {APP_ROLE}".encode())

    after = separate_roles(database)

    assert {plain: rights(name) for plain, name in after.items()} == {
        **expected,
        APP_ROLE: expected[APP_ROLE] | {"SELECT (b) ON TABLE beside"},
    }
    assert sum(map(len, expected.values())) > 100
    assert retire_shared_roles(database) == sorted(PLAIN)
    assert {plain: rights(plain) for plain in PLAIN} == {plain: set() for plain in PLAIN}


def test_nothing_is_separated_twice_or_without_need(database: str, two: tuple[Deployment, Deployment]) -> None:
    one, _ = two
    assert one.reprise.call("migrate").code == 0
    separate_roles(database)

    with pytest.raises(SeparationUnderWayError):
        separate_roles(database)
    retire_shared_roles(database)
    with pytest.raises(RolesNotSharedError):
        separate_roles(database)
    assert retire_shared_roles(database) == []
    assert one.reprise.call("roles", "separate", "--json").code == 1


def test_a_copy_of_a_database_shares_its_roles_until_it_is_separated(two: tuple[Deployment, Deployment]) -> None:
    one, _ = two
    assert one.reprise.call("migrate").code == 0
    copy = f"{one.name}_copy"
    with psycopg.connect(one.superuser, autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*map(sql.Identifier, (copy, one.name))))
    conninfo = make_conninfo(one.superuser, dbname=copy)

    assert others_with_roles_of(conninfo) == [one.name]
    separate_roles(conninfo)
    retire_shared_roles(conninfo)

    assert others_with_roles_of(conninfo) == []
    assert others_with_roles_of(one.conninfo(Login.OWNER)) == []
