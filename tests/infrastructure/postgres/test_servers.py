"""PostgreSQL as people run it: the oldest and the newest promised release, other owners, TLS, and poolers."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from domain.users import User
from infrastructure.embedded_postgres.programs import installed_programs
from infrastructure.postgres.connections import APP_ROLE, in_role
from infrastructure.postgres.database import OLDEST_VERSION, DatabaseUnavailableError, embedded_as, reached_as
from infrastructure.postgres.logins import Login, check_login
from infrastructure.postgres.schema import EncodingUnusableError, migrate
from infrastructure.replay import Log
from tests.support.certificates import Authority
from tests.support.cli import CommandLine
from tests.support.cli_run import Running, running
from tests.support.deployments import Deployment, deployment
from tests.support.installed_server import InstalledServer, installation_of, installed_server
from tests.support.pgbouncer import pgbouncer, pgbouncer_program
from tests.support.ports import reserved_port
from tests.support.running import settings_in

SAMPLE_USERS = 53
CLUSTER = ("--encoding=UTF8", "--locale=C.UTF-8")
OPTIONS = {"fsync": "off", "full_page_writes": "off"}
HOST = "localhost"


@contextmanager
def served(installation: Path | None) -> Iterator[InstalledServer]:
    if installation is None:
        pytest.skip(f"PostgreSQL {OLDEST_VERSION} is not installed")
    with installed_server(installation, OPTIONS, *CLUSTER) as server:
        yield server


@pytest.fixture(scope="module")
def oldest() -> Iterator[InstalledServer]:
    """A server of that release with the locale that its packages come with."""
    with served(installation_of(OLDEST_VERSION)) as server:
        yield server


@pytest.fixture(scope="module")
def newest() -> Iterator[InstalledServer]:
    """A server of the release that comes with the program, as if it were somebody's own."""
    with served(installed_programs().installation) as server:
        yield server


class Encrypted:
    """A server that is reached over TLS; its certificate is in the name of one host."""

    def __init__(self, authority: Authority, folder: Path, port: int) -> None:
        self._port = port
        self._trusted = folder / "authority.pem"
        self._trusted.write_bytes(authority.certificate)

    def conninfo(self, host: str = HOST, trusted: Path | None = None) -> str:
        """How its superuser connects to it, verifying all that can be."""
        return make_conninfo(
            host=host,
            port=self._port,
            user="postgres",
            dbname="postgres",
            sslmode="verify-full",
            sslrootcert=str(trusted or self._trusted),
        )


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Encrypted]:
    """The oldest release: the programs that come with ours know no TLS."""
    installation = installation_of(OLDEST_VERSION)
    if installation is None:
        pytest.skip(f"PostgreSQL {OLDEST_VERSION} is not installed")
    authority = Authority()
    certificate, key = authority.issue(HOST)
    with reserved_port() as port:
        options = {**OPTIONS, "ssl": "on", "listen_addresses": "127.0.0.1", "port": str(port)}
        files = {"server.crt": certificate, "server.key": key}
        with installed_server(installation, options, *CLUSTER, files=files):
            yield Encrypted(authority, tmp_path_factory.mktemp("authority"), port)


def database_on(server: InstalledServer, name: str, **options: str) -> str:
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        chosen = sql.SQL(" ").join(sql.SQL(f"{option} {{}}").format(value) for option, value in options.items())
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0 {}").format(sql.Identifier(name), chosen))
    return server.conninfo(name)


def test_everything_works_on_the_oldest_release(oldest: InstalledServer, tmp_path: Path) -> None:
    check_everything(oldest.conninfo(), tmp_path)


def test_everything_works_on_the_newest_release(newest: InstalledServer, tmp_path: Path) -> None:
    check_everything(newest.conninfo(), tmp_path)


def test_everything_works_over_verified_tls(encrypted: Encrypted, tmp_path: Path) -> None:
    with psycopg.connect(encrypted.conninfo()) as connection:
        ours = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        assert connection.execute(ours).fetchone() == (True,)
    check_everything(encrypted.conninfo(), tmp_path)


def check_everything(superuser: str, folder: Path) -> None:
    """All that a platform does, with an owner who is no superuser and a login for each kind of process."""
    with ExitStack() as deployments:
        life = deployments.enter_context(deployment(superuser, "life", folder / "home"))
        other = deployments.enter_context(deployment(superuser, "restored", folder / "elsewhere"))
        with running(life.reprise) as run:
            erased = check_commands_and_queries(run)
            check_read_models(life.reprise)
        for login in (Login.API, Login.WORKER):
            check_login(life.conninfo(login), login, production=True)
        check_proofs(life.reprise)
        check_replay(life)
        check_backup(life.reprise, other.reprise, folder, erased)


def check_commands_and_queries(run: Running) -> str:
    """Registers, changes, finds, counts and erases; the id of who was erased."""
    with httpx.Client(base_url=run.url, headers={"Authorization": f"Bearer {run.token}"}, timeout=60) as admin:
        facts = {"email": "zoe@example.com", "displayName": "Zoë Lovelace", "country": "SE"}
        user = admin.post("/v1/users", json=facts).headers["location"]
        found: dict[str, Any] = admin.get("/v1/users", params={"q": "lov zoe"}).json()
        assert [item["displayName"] for item in found["items"]] == ["Zoë Lovelace"]
        assert len(admin.get("/v1/users?limit=200").json()["items"]) == SAMPLE_USERS + 1
        assert admin.patch(user, json={"displayName": "Zoë King"}).status_code == 200
        assert admin.get(f"{user}/diff?from=1").json()["changes"][0]["new"] == "Zoë King"
        assert admin.get("/v1/statistics/users").status_code == 200
        assert admin.post(f"{user}/erasure", json={"reason": "Case 17"}).status_code == 200
        assert admin.get(user).status_code == 410
        assert admin.get("/readyz").status_code == 200
    return user.rpartition("/")[2]


def check_read_models(reprise: CommandLine) -> None:
    assert reprise.call("projections", "rebuild", "user_directory").code == 0
    assert reprise.call("projections", "verify", "user_directory", "--all").code == 0


def check_proofs(reprise: CommandLine) -> None:
    assert reprise.call("audit", "checkpoint").code == 0
    assert reprise.call("audit", "verify", "--json").json["findings"] == []
    assert reprise.call("audit", "prove", "--position", "3").code == 0
    assert reprise.call("audit", "repair", "--json").json["repaired"] is False


def check_replay(life: Deployment) -> None:
    with psycopg.connect(in_role(life.conninfo(Login.API), APP_ROLE), autocommit=True) as connection:
        registered = list(Log(connection).facts(User.Registered))
    assert len(registered) == SAMPLE_USERS + 1


def check_backup(reprise: CommandLine, elsewhere: CommandLine, folder: Path, erased: str) -> None:
    log, keys = str(folder / "log"), str(folder / "keys")

    assert reprise.call("backup", log, "--keys", keys).code == 0
    assert elsewhere.call("restore", log, "--keys", keys, "--without-receipts").code == 0
    assert elsewhere.call("audit", "verify", "--json").json["findings"] == []
    assert elsewhere.call("projections", "rebuild", "user_statistics").code == 0
    assert "Zoë" not in elsewhere.call("users", "show", erased).out


def test_who_cannot_be_verified_is_not_talked_to(encrypted: Encrypted, home: Path, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger.pem"
    stranger.write_bytes(Authority().certificate)
    wrong = {
        "does not match host name": encrypted.conninfo(host="127.0.0.1"),
        "certificate verify failed|signature failure": encrypted.conninfo(trusted=stranger),
        "does not exist": encrypted.conninfo(trusted=tmp_path / "nowhere.pem"),
    }
    for told, url in wrong.items():
        with pytest.raises(DatabaseUnavailableError, match=told):
            reached_as(Login.API, settings_in(home, REPRISE_DATABASE_URL=url))


@pytest.mark.parametrize("pool_mode", ["session", "transaction", "statement"])
@pytest.mark.parametrize("ignored", ["", "options", "options,extra_float_digits"])
def test_a_pooler_is_refused_by_name_whatever_its_mode(
    oldest: InstalledServer, pool_mode: str, ignored: str, home: Path
) -> None:
    """Roles are settings of a session, and PgBouncer either refuses or drops those."""
    program = pgbouncer_program()
    if program is None:
        pytest.skip("PgBouncer is not installed")
    settings = {"pool_mode": pool_mode, **({"ignore_startup_parameters": ignored} if ignored else {})}

    with pgbouncer(program, oldest, **settings) as conninfo:
        with pytest.raises(DatabaseUnavailableError, match=r"such as a connection pooler\. Connect to"):
            reached_as(Login.API, settings_in(home, REPRISE_DATABASE_URL=conninfo))
        refused = CommandLine(home, None, (("REPRISE_DATABASE_URL", conninfo),)).call("migrate")

    assert (refused.code, "such as a connection pooler" in refused.err) == (1, True)


@pytest.mark.parametrize(("encoding", "locale"), [("LATIN1", "C"), ("SQL_ASCII", "C")])
def test_a_database_that_cannot_hold_every_name_is_refused(
    oldest: InstalledServer, encoding: str, locale: str, home: Path
) -> None:
    conninfo = database_on(oldest, encoding.lower(), ENCODING=encoding, LC_COLLATE=locale, LC_CTYPE=locale)

    with pytest.raises(EncodingUnusableError, match=encoding):
        migrate(conninfo)

    refused = CommandLine(home, conninfo).call("migrate")
    assert (refused.code, encoding in refused.err, "must be UTF8" in refused.err) == (1, True, True)
    with psycopg.connect(embedded_as(Login.OWNER, conninfo)) as connection:
        assert connection.execute("SELECT to_regnamespace('log')").fetchone() == (None,)
