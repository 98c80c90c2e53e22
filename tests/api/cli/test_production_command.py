"""The command line in production: nothing is issued, printed or trusted that was not configured."""

import json
import time
from base64 import b64encode
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import OKPKey

from application.actors import Role
from infrastructure.tokens.issuer import TokenIssuer
from infrastructure.tokens.keys import Algorithms
from tests.support.cli import CommandLine
from tests.support.running import settings_in

SECRET = b64encode(bytes(range(32))).decode()
WITHOUT_JWKS = (
    ("REPRISE_PRODUCTION", "yes"),
    ("REPRISE_CLAIMS_KEY", SECRET),
    ("REPRISE_SERVICE_KEY", SECRET),
    ("REPRISE_KEY_ENCRYPTION_KEY", SECRET),
    ("REPRISE_LOG_ORIGIN", "log.example/people"),
    ("REPRISE_MAIL_URL", "outbox:"),
    ("REPRISE_MAIL_SENDER", "hello@music.example"),
    ("REPRISE_PUBLIC_URL", "https://music.example"),
)


class Issuer:
    """An identity provider with a file of public keys."""

    def __init__(self, folder: Path) -> None:
        self.key = OKPKey.generate_key("Ed25519", auto_kid=True)
        self.path = folder / "issuer.json"
        self.path.write_text(json.dumps({"keys": [self.key.as_dict(private=False)]}))

    def token(self) -> str:
        now = int(time.time())
        claims = {"iss": "reprise", "aud": "reprise", "sub": "alice", "role": "admin", "iat": now, "exp": now + 600}
        header = {"alg": "EdDSA", "typ": "at+jwt", "kid": self.key.kid}
        return jwt.encode(header, claims, self.key, registry=Algorithms())


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    return Issuer(tmp_path)


def test_a_run_prints_no_token_trusts_none_of_its_home_and_invents_nobody(home: Path, issuer: Issuer) -> None:
    published = issuer.path.read_bytes()
    from_before = TokenIssuer(settings_in(home)).issue(Role.ADMIN, "cli", timedelta(hours=12))
    reprise = CommandLine(home, variables=(*WITHOUT_JWKS, ("REPRISE_JWKS", str(issuer.path))))

    with reprise.started("run", "--port", "0", "--json") as process:
        assert process.stdout
        assert process.stderr
        line = process.stdout.readline()
        assert line, process.stderr.read()
        ready: dict[str, Any] = json.loads(line)
        answers = [ask(ready["url"], token) for token in (from_before, issuer.token())]
        process.terminate()
        process.wait(60)

    assert set(ready) == {"event", "url", "docs", "home", "processes"}
    assert [answer.status_code for answer in answers] == [401, 200]
    assert answers[1].json()["items"] == []
    assert issuer.path.read_bytes() == published


@pytest.mark.parametrize("command", ["serve", "project", "run"])
def test_the_owner_of_the_database_is_no_login_for_a_process(
    command: str, database: str, home: Path, issuer: Issuer
) -> None:
    variables = (
        *WITHOUT_JWKS,
        ("REPRISE_JWKS", str(issuer.path)),
        ("REPRISE_DATABASE_URL", database),
        ("REPRISE_WORKER_DATABASE_URL", ""),
        ("REPRISE_PORT", "0"),
    )

    ended = CommandLine(home, None, variables).run(command)

    assert (ended.code, "is a superuser: injected SQL could do as much" in ended.err) == (1, True)


def ask(url: str, token: str) -> httpx.Response:
    return httpx.get(f"{url}/v1/users", headers={"Authorization": f"Bearer {token}"})


@pytest.mark.parametrize("command", ["run", "serve"])
@pytest.mark.parametrize("jwks", [None, "keys/jwks.json"], ids=["nobody's keys", "the home's own keys"])
def test_nothing_starts_that_does_not_know_whose_tokens_to_believe(home: Path, command: str, jwks: str | None) -> None:
    named = [("REPRISE_JWKS", str(home / jwks))] if jwks else []

    ended = CommandLine(home, variables=(*WITHOUT_JWKS, *named)).run(command, "--port", "0")

    assert (ended.code, ended.out) == (1, "")
    assert "REPRISE_JWKS must name the file with your identity provider's public keys, in production" in ended.err
    assert not home.exists()


def test_a_token_is_refused_with_the_reason(home: Path, issuer: Issuer) -> None:
    published = issuer.path.read_bytes()
    reprise = CommandLine(home, variables=(*WITHOUT_JWKS, ("REPRISE_JWKS", str(issuer.path))))

    for arguments in (("--role", "admin"), ("--role", "admin", "--rotate")):
        text, document = reprise.call("token", *arguments), reprise.call("token", *arguments, "--json")

        assert (text.code, text.out) == (1, "")
        assert "your identity provider issues tokens" in text.err
        assert (document.code, document.json["error"]["code"]) == (1, "tokens_issued_elsewhere")
    assert issuer.path.read_bytes() == published
    assert not home.exists()


@pytest.mark.parametrize(
    "command", [("project",), ("users", "show", "ann@example.com"), ("keys", "list"), ("migrate",)]
)
def test_every_command_refuses_a_database_that_might_be_anybody(home: Path, command: tuple[str, ...]) -> None:
    elsewhere = CommandLine(home, "postgresql://u:hunter2@db.example.invalid/reprise", WITHOUT_JWKS)

    ended = elsewhere.run(*command)

    assert ended.code == 1
    assert "REPRISE_DATABASE_URL must have sslmode=verify-full" in ended.err
    assert "hunter2" not in ended.err


@pytest.mark.parametrize(
    ("variable", "command"),
    [
        ("REPRISE_CLAIMS_KEY", ("import", "-")),
        ("REPRISE_SERVICE_KEY", ("users", "show", "ann@example.com")),
        ("REPRISE_LOG_ORIGIN", ("audit", "checkpoint")),
        ("REPRISE_MAIL_URL", ("project", "--duty", "mails")),
    ],
)
def test_a_command_makes_up_nothing(database: str, home: Path, variable: str, command: tuple[str, ...]) -> None:
    lacking = tuple(pair for pair in WITHOUT_JWKS if pair[0] != variable)

    ended = CommandLine(home, database, lacking).run(*command)

    assert ended.code == 1
    assert f"{variable} must" in ended.err
    assert not [path for path in home.rglob("*") if path.suffix in {".key", ".json"}]
