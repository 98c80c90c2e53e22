"""`reprise keys`: the key of the claims is replaced, as operators do it."""

import base64
from pathlib import Path

import pytest

from infrastructure.users.claims.claim_ids import ClaimIds
from tests.support.cli import CommandLine
from tests.support.cli_people import file_of, line, person

OLD, NEW, OTHER = b"o" * 32, b"n" * 32, b"x" * 32


@pytest.fixture
def people(tmp_path: Path) -> str:
    path = tmp_path / "people.jsonl"
    path.write_bytes(file_of(line(person("ann")), line(person("bob"))))
    return str(path)


def with_keys(home: Path, database: str, present: bytes, following: bytes | None = None) -> CommandLine:
    keys = {"REPRISE_CLAIMS_KEY": present, "REPRISE_NEXT_CLAIMS_KEY": following}
    given = tuple((name, base64.b64encode(key).decode()) for name, key in keys.items() if key)
    return CommandLine(home, database, given)


def test_the_key_of_the_claims_is_replaced(home: Path, database: str, people: str) -> None:
    before, during, after = (with_keys(home, database, *keys) for keys in ((OLD,), (OLD, NEW), (NEW,)))
    before.call("import", people)

    first, again = (during.call("keys", "rotate-claims", "--json") for _ in range(2))

    fingerprint = ClaimIds(NEW).fingerprint
    assert first.json == {"addresses": 2, "recorded": 2, "released": 0, "fingerprint": fingerprint}
    assert again.json == {"addresses": 0, "recorded": 0, "released": 0, "fingerprint": fingerprint}
    assert during.call("keys", "rotate-claims").out.startswith("The next key is in force: 0 claims were recorded")
    shown = after.call("users", "show", "ann@example.com", "--json")
    assert shown.json["user"]["email"] == "ann@example.com"


def test_a_next_key_is_asked_for(home: Path, database: str) -> None:
    ended = with_keys(home, database, OLD).call("keys", "rotate-claims", "--json")

    assert (ended.code, ended.json["error"]["code"]) == (1, "setting_invalid")
    assert "REPRISE_NEXT_CLAIMS_KEY" in ended.json["error"]["message"]


@pytest.mark.parametrize(
    "command",
    [
        ("serve", "--port", "0"),
        ("project",),
        ("project", "--duty", "erasure"),
        ("users", "show", "ann@example.com"),
        ("import", "PEOPLE"),
        ("import", "PEOPLE", "--dry-run"),
    ],
    ids=" ".join,
)
def test_with_another_key_nothing_starts(home: Path, database: str, people: str, command: tuple[str, ...]) -> None:
    with_keys(home, database, OLD).call("import", people)

    ended = with_keys(home, database, OTHER).run(*(people if word == "PEOPLE" else word for word in command))

    assert ended.code == 1
    assert "REPRISE_CLAIMS_KEY is not the key that this database's claims are made with" in ended.err
