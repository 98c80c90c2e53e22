"""The keys that tokens are verified with: which are believed, for how long, and what a file can do to its reader."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from application.access_tokens import KeysFault
from infrastructure.settings import SettingInvalidError
from infrastructure.tokens.issuer import TokenIssuer, TokensIssuedElsewhereError
from infrastructure.tokens.keys import KEPT_SECONDS, KEYS_LIMIT, OCTETS_LIMIT, PublicKeys, SigningKeyFile, keys_of
from tests.support.running import settings_in

NOBODY = 65534
KEY, OTHER = (OKPKey.generate_key("Ed25519", auto_kid=True) for _ in range(2))


class Shelf:
    """A JWKS file, whoever reads it, and the clock that they go by."""

    def __init__(self, folder: Path) -> None:
        self.now = 0.0
        self.path = folder / "issuer.json"
        self.publish(KEY)
        self.keys = PublicKeys(self.path, clock=lambda: self.now)

    def publish(self, *keys: OKPKey | ECKey, **parameters: Any) -> None:
        self.write({"keys": [key.as_dict(private=False) | parameters for key in keys]})

    def write(self, content: Any) -> None:
        fresh = self.path.with_suffix(".new")
        fresh.write_text(content if isinstance(content, str) else json.dumps(content))
        fresh.replace(self.path)

    @property
    def kids(self) -> set[str]:
        return set(self.keys.current())


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


UNREADABLE: dict[str, Callable[[Path], object]] = {
    "half of it": lambda path: path.write_text('{"keys": ['),
    "nothing": lambda path: path.write_text(""),
    "no text": lambda path: path.write_bytes(b"\xff\xfe" * 100),
    "a list": lambda path: path.write_text("[]"),
    "no keys": lambda path: path.write_text("{}"),
    "keys that are none": lambda path: path.write_text('{"keys": {"a": 1}}'),
    "a key that is none": lambda path: path.write_text('{"keys": [17]}'),
    "too deep": lambda path: path.write_text('{"keys": ' + "[" * 50_000),
    "too long": lambda path: path.write_text('{"keys": []}' + " " * OCTETS_LIMIT),
    "too many": lambda path: path.write_text(json.dumps({"keys": [{}] * (KEYS_LIMIT + 1)})),
    "a folder": a_folder,
    "a pipe": a_pipe,
}


@pytest.mark.parametrize("spoil", UNREADABLE.values(), ids=UNREADABLE)
def test_a_file_that_cannot_be_read_is_told_at_once_and_its_keys_are_believed_for_an_hour(
    shelf: Shelf, spoil: Callable[[Path], object]
) -> None:
    assert (shelf.keys.fault(), shelf.kids) == (None, {KEY.kid})
    spoil(shelf.path)

    assert (shelf.keys.fault(), shelf.kids) == (KeysFault.UNREADABLE, {KEY.kid})
    shelf.now += KEPT_SECONDS - 1
    assert shelf.kids == {KEY.kid}
    shelf.now += 1
    assert (shelf.keys.fault(), shelf.kids) == (KeysFault.UNREADABLE, set())


def test_spoiling_the_file_again_and_again_does_not_prolong_it(shelf: Shelf) -> None:
    assert shelf.kids == {KEY.kid}
    for number in range(10):
        shelf.write("{" * (number + 1))
        assert shelf.kids == {KEY.kid}
        shelf.now += KEPT_SECONDS / 10

    assert shelf.kids == set()


def test_a_file_that_is_mended_is_believed_again_and_has_a_whole_hour(shelf: Shelf) -> None:
    assert shelf.kids == {KEY.kid}
    shelf.write("{")
    assert shelf.keys.fault() is KeysFault.UNREADABLE
    shelf.now += 2 * KEPT_SECONDS
    assert shelf.kids == set()

    shelf.publish(OTHER)
    assert (shelf.keys.fault(), shelf.kids) == (None, {OTHER.kid})
    shelf.now += KEPT_SECONDS
    shelf.write("{")
    assert shelf.kids == {OTHER.kid}


@contextmanager
def an_ordinary_user() -> Iterator[None]:
    """Root may read every file, so root is somebody else for a while."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(before)


def test_a_file_that_nobody_may_read_any_more_is_unreadable(shelf: Shelf) -> None:
    assert shelf.kids == {KEY.kid}
    shelf.path.chmod(0)

    with an_ordinary_user():
        fault = shelf.keys.fault()

    assert fault is KeysFault.UNREADABLE


def test_whoever_has_never_read_a_file_believes_nothing_that_cannot_be_read(shelf: Shelf) -> None:
    shelf.write("{")

    assert (shelf.keys.fault(), shelf.kids) == (KeysFault.UNREADABLE, set())


def test_keys_are_not_believed_any_more_when_the_file_is_gone_or_holds_none(shelf: Shelf) -> None:
    assert shelf.kids == {KEY.kid}
    shelf.write({"keys": []})
    assert (shelf.keys.fault(), shelf.kids) == (KeysFault.EMPTY, set())
    shelf.publish(KEY)
    assert (shelf.keys.fault(), shelf.kids) == (None, {KEY.kid})

    shelf.path.unlink()

    assert (shelf.keys.fault(), shelf.kids) == (KeysFault.MISSING, set())


def test_nothing_is_read_while_nothing_has_changed(shelf: Shelf) -> None:
    first = shelf.keys.current()
    shelf.now += 10 * KEPT_SECONDS

    assert shelf.keys.current() is first


def jwk(key: OKPKey | ECKey | RSAKey | OctKey, *, private: bool = False, **parameters: Any) -> dict[str, Any]:
    return {**key.as_dict(private=private), **parameters}


EC = ECKey.generate_key("P-256", auto_kid=True)
NOT_BELIEVED: dict[str, list[dict[str, Any]]] = {
    "a private key": [jwk(OTHER, private=True)],
    "a private key on a curve": [jwk(EC, private=True)],
    "a shared secret": [jwk(OctKey.generate_key(256), private=True, kid="shared")],
    "a shared secret in disguise": [jwk(OTHER, k="c2VjcmV0")],
    "two keys of one name": [jwk(OTHER), jwk(EC, kid=OTHER.kid)],
    "a key without a name": [jwk(OTHER, kid=None)],
    "a name that is no text": [jwk(OTHER, kid=["a"])],
    "another use": [jwk(OTHER, use="enc")],
    "other operations": [jwk(OTHER, key_ops=["encrypt"])],
    "another algorithm": [jwk(OTHER, alg="HS256")],
    "another curve": [jwk(ECKey.generate_key("P-384", auto_kid=True))],
    "another type": [jwk(RSAKey.generate_key(2048, auto_kid=True))],
    "a coordinate that is none": [jwk(OTHER, x=["a"])],
    "a coordinate that is too short": [jwk(OTHER, x="AAAA")],
    "a point that is not on the curve": [jwk(EC, y=jwk(EC)["x"])],
    "types that are none": [{"kty": [], "crv": {}, "kid": "x", "use": 1, "key_ops": 1, "alg": []}],
}


@pytest.mark.parametrize("others", NOT_BELIEVED.values(), ids=NOT_BELIEVED)
def test_what_is_not_one_public_key_for_signatures_is_passed_over(shelf: Shelf, others: list[dict[str, Any]]) -> None:
    shelf.write({"keys": [*others, jwk(KEY)]})
    assert (shelf.keys.fault(), shelf.kids) == (None, {KEY.kid})

    shelf.write({"keys": others})
    assert (shelf.keys.fault(), shelf.kids) == (KeysFault.EMPTY, set())


def test_a_key_that_is_there_twice_is_one_key(shelf: Shelf) -> None:
    shelf.publish(KEY, KEY)

    assert shelf.kids == {KEY.kid}


def test_own_keys_go_into_the_homes_own_file_and_into_no_other(home: Path, shelf: Shelf) -> None:
    settings = settings_in(home, REPRISE_JWKS=str(shelf.path))
    before = shelf.path.read_bytes()

    issuer = TokenIssuer(settings)
    issuer.publish()
    issuer.rotate()

    assert shelf.path.read_bytes() == before
    assert len(json.loads((home / "keys" / "jwks.json").read_text())["keys"]) == 2
    assert len(keys_of(settings).current()) == 3


def test_in_production_no_token_is_issued(home: Path, shelf: Shelf) -> None:
    with pytest.raises(TokensIssuedElsewhereError):
        TokenIssuer(settings_in(home, REPRISE_PRODUCTION="yes", REPRISE_JWKS=str(shelf.path)))

    assert not (home / "keys").exists()


def test_in_production_the_homes_own_keys_are_not_believed_wherever_they_stand(home: Path, shelf: Shelf) -> None:
    own = SigningKeyFile(home / "keys" / "token-signing.jwk", home / "keys" / "jwks.json")
    former, present = own.key(), own.replace(forget_others=False)
    shelf.publish(KEY, former, present)

    believed = keys_of(settings_in(home, REPRISE_PRODUCTION="yes", REPRISE_JWKS=str(shelf.path)))

    assert set(believed.current()) == {KEY.kid}
    shelf.publish(present, kid="another-name")
    assert (believed.fault(), set(believed.current())) == (KeysFault.EMPTY, set())


@pytest.mark.parametrize("jwks", [None, "keys/jwks.json", "keys/../keys/jwks.json"])
def test_in_production_it_must_be_said_whose_keys_count(home: Path, jwks: str | None) -> None:
    named = {} if jwks is None else {"REPRISE_JWKS": str(home / jwks)}

    with pytest.raises(SettingInvalidError, match="REPRISE_JWKS must name"):
        keys_of(settings_in(home, REPRISE_PRODUCTION="yes", **named))


def test_beside_an_identity_providers_keys_the_homes_own_count_where_things_are_tried_out(
    home: Path, shelf: Shelf
) -> None:
    settings = settings_in(home, REPRISE_JWKS=str(shelf.path))
    both = keys_of(settings)
    assert (both.fault(), set(both.current())) == (None, {KEY.kid})

    TokenIssuer(settings).publish()
    assert len(both.current()) == 2
    assert both.current() is both.current()
    shelf.path.unlink()
    assert (both.fault(), len(both.current())) == (KeysFault.MISSING, 1)
