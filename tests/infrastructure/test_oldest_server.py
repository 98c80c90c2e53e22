"""The oldest PostgreSQL that is promised, as an installation of somebody's own runs it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from infrastructure.database import OLDEST_VERSION, embedded_as, migrate_embedded
from infrastructure.logins import Login
from infrastructure.schema import EncodingUnusableError, migrate
from tests.support.api import Api, serving
from tests.support.cli import CommandLine
from tests.support.installed_server import InstalledServer, installation_of, installed_server
from tests.support.running import follow_to_head, settings_in

OPTIONS = {"fsync": "off", "full_page_writes": "off"}


@pytest.fixture(scope="module")
def oldest() -> Iterator[InstalledServer]:
    """A server of that release with the locale that its packages come with."""
    installation = installation_of(OLDEST_VERSION)
    if installation is None:
        pytest.skip(f"PostgreSQL {OLDEST_VERSION} is not installed")
    with installed_server(installation, OPTIONS, "--encoding=UTF8", "--locale=C.UTF-8") as server:
        yield server


def database_on(server: InstalledServer, name: str, **options: str) -> str:
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        chosen = sql.SQL(" ").join(sql.SQL(f"{option} {{}}").format(value) for option, value in options.items())
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0 {}").format(sql.Identifier(name), chosen))
    return server.conninfo(name)


def test_everything_works_that_a_platform_does(oldest: InstalledServer, home: Path, tmp_path: Path) -> None:
    """Commands, searches, statistics, rebuilds, proofs, erasure, a backup and its restoration."""
    conninfo = database_on(oldest, "life")
    assert migrate_embedded(conninfo) != []
    assert migrate_embedded(conninfo) == []
    reprise = CommandLine(home, conninfo)

    assert reprise.call("import", "examples/people.jsonl", "--json").json["imported"] == 53
    follow_to_head(conninfo)
    with serving(settings_in(home, REPRISE_WAIT_SECONDS="0.1"), conninfo) as api:
        check_commands_and_queries(api)
    follow_to_head(conninfo)

    assert reprise.call("projections", "rebuild", "user_directory").code == 0
    assert reprise.call("projections", "verify", "user_directory", "--all").code == 0
    assert reprise.call("audit", "checkpoint").code == 0
    assert reprise.call("audit", "verify", "--json").json["findings"] == []
    check_backup(reprise, oldest, tmp_path)


def check_commands_and_queries(api: Api) -> None:
    user = api.register(email="zoe@example.com", displayName="Zoë Lovelace").headers["location"]
    follow_to_head(api.conninfo)
    found: dict[str, Any] = api.admin.get("/v1/users", params={"q": "lov zoe"}).json()

    assert [item["displayName"] for item in found["items"]] == ["Zoë Lovelace"]
    assert api.admin.patch(user, json={"displayName": "Zoë King"}).status_code == 200
    assert api.admin.get(f"{user}/diff?from=1").json()["changes"][0]["new"] == "Zoë King"
    assert api.admin.get("/v1/statistics/users").status_code == 200
    assert api.admin.post(f"{user}/erasure", json={"reason": "Case 17"}).status_code == 200
    assert api.admin.get(user).status_code == 410
    assert api.admin.get("/readyz").status_code == 200


def check_backup(reprise: CommandLine, server: InstalledServer, folder: Path) -> None:
    log, keys = str(folder / "log"), str(folder / "keys")
    elsewhere = CommandLine(folder / "elsewhere", database_on(server, "restored"))

    assert reprise.call("backup", log, "--keys", keys).code == 0
    assert elsewhere.call("migrate").code == 0
    assert elsewhere.call("restore", log, "--keys", keys, "--without-receipts").code == 0
    assert elsewhere.call("audit", "verify", "--json").json["findings"] == []


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
