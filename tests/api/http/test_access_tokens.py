"""Access tokens: which are believed, which are not, and what happens when keys change."""

import base64
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from application.access_tokens import Access, NoTokenKeysError, TokenFault, TokenRefusedError
from application.actors import Actor, Role
from infrastructure.tokens.issuer import RoleNotIssuableError, TokenIssuer
from infrastructure.tokens.keys import Algorithms, keys_of
from infrastructure.tokens.verifier import LEEWAY_SECONDS, TOKEN_LIMIT, JwtAccessTokens
from tests.support.running import settings_in

NOW = 1_800_000_000
USER = "0190c0de-0000-7000-8000-00000000beef"
HOUR = timedelta(hours=1)


class Bench:
    """An issuer with keys of its own, a verifier, and a clock that both believe."""

    def __init__(self, home: Path) -> None:
        self.now = NOW
        self.settings = settings_in(home)
        self.issuer = TokenIssuer(self.settings, lambda: self.now)
        self.key = OKPKey.generate_key("Ed25519", auto_kid=True)
        self.publish(self.key)
        self.tokens = JwtAccessTokens(keys_of(self.settings, lambda: self.now), "reprise", "reprise", lambda: self.now)

    def publish(self, *keys: OKPKey | ECKey | RSAKey, **parameters: Any) -> None:
        self.settings.jwks_path.parent.mkdir(parents=True, exist_ok=True)
        published = [key.as_dict(private=False) | parameters for key in keys]
        self.settings.jwks_path.write_text(json.dumps({"keys": published}))

    def sign(self, header: dict[str, Any] | None = None, key: Any = None, **claims: Any) -> str:
        """A good token, but for what is given; a claim or parameter of None is left out."""
        good = {"iss": "reprise", "aud": "reprise", "sub": "alice", "role": "admin", "iat": NOW, "exp": NOW + 600}
        parameters = {"alg": "EdDSA", "typ": "at+jwt", "kid": self.key.kid} | (header or {})
        return jwt.encode(
            {name: value for name, value in parameters.items() if value is not None},
            {name: value for name, value in (good | claims).items() if value is not None},
            key or self.key,
            registry=Lenient(),
            default_type=None,
        )

    def refuses(self, token: str) -> None:
        with pytest.raises(TokenRefusedError):
            self.tokens.verify(token)


class Lenient(JWSRegistry):
    """Signs with whatever an attacker would."""

    algorithms = JWSRegistry.algorithms | Algorithms.algorithms

    def __init__(self) -> None:
        super().__init__(algorithms=list(self.algorithms), strict_check_header=False)


@pytest.fixture
def bench(home: Path) -> Bench:
    return Bench(home)


def test_an_issued_token_stands_for_its_role_and_subject(bench: Bench) -> None:
    token = bench.issuer.issue(Role.SUPPORT, "alice", HOUR, "console")

    access = bench.tokens.verify(token)

    assert access == Access(role=Role.SUPPORT, subject="alice", actor=Actor(Role.SUPPORT, "alice", "console"))


def test_a_token_signed_by_another_issuers_key_in_the_file_is_believed(bench: Bench) -> None:
    assert bench.tokens.verify(bench.sign()).subject == "alice"


def test_a_token_signed_with_es256_is_believed(bench: Bench) -> None:
    key = ECKey.generate_key("P-256", auto_kid=True)
    bench.publish(key, alg="ES256", use="sig")

    assert bench.tokens.verify(bench.sign({"alg": "ES256", "kid": key.kid}, key)).subject == "alice"


@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt"])
def test_both_names_of_the_type_are_believed(bench: Bench, typ: str) -> None:
    assert bench.tokens.verify(bench.sign({"typ": typ})).subject == "alice"


def test_an_audience_among_others_is_enough(bench: Bench) -> None:
    assert bench.tokens.verify(bench.sign(aud=["else", "reprise"])).subject == "alice"


def test_a_user_is_known_by_the_canonical_form_of_their_id(bench: Bench) -> None:
    access = bench.tokens.verify(bench.sign(role="user", sub=USER.upper()))

    assert access.subject == USER
    assert access.is_own(USER)
    assert access.is_own(USER.upper())
    assert not access.is_own(USER.replace("f", "e"))


def test_only_a_user_has_an_own_account(bench: Bench) -> None:
    assert not bench.tokens.verify(bench.sign(role="service", sub=USER)).is_own(USER)


def test_who_acts_on_behalf_of_the_subject_goes_on_record_and_permissions_are_the_subjects(bench: Bench) -> None:
    access = bench.tokens.verify(
        bench.sign(role="user", sub=USER, act={"sub": "bob", "role": "support"}, client_id="ui")
    )

    assert access == Access(role=Role.USER, subject=USER, actor=Actor(Role.SUPPORT, "bob", "ui", on_behalf_of=USER))
    assert access.is_own(USER)


def test_whoever_acts_without_a_role_is_a_service(bench: Bench) -> None:
    assert bench.tokens.verify(bench.sign(act={"sub": "gateway"})).actor == Actor(
        Role.SERVICE, "gateway", on_behalf_of="alice"
    )


@pytest.mark.parametrize("claim", ["iss", "aud", "sub", "role", "exp", "iat"])
def test_a_token_without_a_required_claim_is_refused(bench: Bench, claim: str) -> None:
    bench.refuses(bench.sign(**{claim: None}))


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "somebody else"},
        {"iss": ["reprise"]},
        {"aud": "another service"},
        {"aud": []},
        {"sub": ""},
        {"sub": 17},
        {"sub": "two words"},
        {"sub": "nul\x00"},
        {"sub": "x" * 256},
        {"role": "root"},
        {"role": "system"},
        {"role": "Admin"},
        {"role": ["admin"]},
        {"role": "user"},
        {"role": "user", "sub": "17"},
        {"exp": NOW - LEEWAY_SECONDS},
        {"exp": "never"},
        {"exp": True},
        {"iat": NOW + LEEWAY_SECONDS + 1},
        {"iat": "now"},
        {"nbf": NOW + LEEWAY_SECONDS + 1},
        {"nbf": "later"},
        {"client_id": ""},
        {"client_id": "a\nb"},
        {"act": "bob"},
        {"act": {}},
        {"act": {"sub": "platform", "role": "system"}},
    ],
)
def test_a_token_with_a_wrong_claim_is_refused(bench: Bench, claims: dict[str, Any]) -> None:
    bench.refuses(bench.sign(**claims))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e400"])
def test_a_token_that_expires_at_no_time_is_refused(bench: Bench, number: str) -> None:
    token = bench.sign(exp=1234567890)
    payload = base64.urlsafe_b64decode(token.split(".")[1] + "==").replace(b"1234567890", number.encode())

    bench.refuses(signed_by(bench.key, token.split(".")[0], payload))


@pytest.mark.parametrize(
    "header",
    [
        {"typ": None},
        {"typ": "JWT"},
        {"typ": "id+jwt"},
        {"typ": 17},
        {"kid": None},
        {"kid": "unknown"},
        {"kid": ["a"]},
        {"crit": ["exp"], "exp": 1},
        {"b64": False, "crit": ["b64"]},
        {"jku": "https://attacker.example/jwks.json", "kid": "theirs"},
    ],
)
def test_a_token_with_a_wrong_header_is_refused(bench: Bench, header: dict[str, Any]) -> None:
    payload = base64.urlsafe_b64decode(bench.sign().split(".")[1] + "==")
    good = {"alg": "EdDSA", "typ": "at+jwt", "kid": bench.key.kid}
    wrong = {name: value for name, value in (good | header).items() if value is not None}

    bench.refuses(signed_by(bench.key, encoded(json.dumps(wrong).encode()), payload))


@pytest.mark.parametrize("algorithm", ["none", "nOnE", "NONE", "HS256", "RS256", "Ed448", "ES384", ["EdDSA"], None, 17])
def test_a_header_that_names_another_algorithm_is_refused(bench: Bench, algorithm: Any) -> None:
    header = {"alg": algorithm, "typ": "at+jwt", "kid": bench.key.kid}
    payload = base64.urlsafe_b64decode(bench.sign().split(".")[1] + "==")

    bench.refuses(signed_by(bench.key, encoded(json.dumps(header).encode()), payload))


def test_a_token_without_a_signature_is_refused(bench: Bench) -> None:
    header, payload, _ = bench.sign().split(".")
    unsigned = encoded(json.dumps({"alg": "none", "typ": "at+jwt", "kid": bench.key.kid}).encode())

    for token in (f"{unsigned}.{payload}.", f"{header}.{payload}.", f"{header}.{payload}"):
        bench.refuses(token)


def test_a_token_signed_with_the_public_key_as_a_shared_secret_is_refused(bench: Bench) -> None:
    public = bench.key.as_pem(private=False)
    secret = OctKey.import_key(base64.b64encode(public).decode())

    bench.refuses(bench.sign({"alg": "HS256"}, secret))


def test_a_token_that_was_shortened_or_changed_anywhere_is_refused(bench: Bench) -> None:
    token = bench.sign()

    for length in range(0, len(token) - 1, 7):
        bench.refuses(token[:length])
    for place in range(0, len(token) - 1, 5):
        other = "A" if token[place] != "A" else "B"
        bench.refuses(token[:place] + other + token[place + 1 :])


@pytest.mark.parametrize(
    "token",
    ["", ".", "..", "...", "a.b.c", "{}.{}.{}", "é.é.é", "\x00", "e30.e30.", "W10.W10.W10", "\ud800", "👤" * 20],
)
def test_what_is_no_token_is_refused(bench: Bench, token: str) -> None:
    bench.refuses(token)


def test_a_token_that_is_too_long_is_refused(bench: Bench) -> None:
    assert bench.tokens.verify(bench.sign(note="x" * (TOKEN_LIMIT // 2))).subject == "alice"

    bench.refuses(bench.sign(note="x" * TOKEN_LIMIT))


def test_a_token_is_good_until_it_expires_give_or_take_the_leeway(bench: Bench) -> None:
    token = bench.sign(nbf=NOW)

    bench.now = NOW - LEEWAY_SECONDS - 1
    bench.refuses(token)
    for now in (NOW - LEEWAY_SECONDS, NOW, NOW + 599, NOW + 600, NOW + 600 + LEEWAY_SECONDS - 1):
        bench.now = now
        assert bench.tokens.verify(token).subject == "alice"
    bench.now = NOW + 600 + LEEWAY_SECONDS
    bench.refuses(token)


def test_a_remembered_token_is_refused_once_its_key_is_gone(bench: Bench) -> None:
    token = bench.sign()
    bench.tokens.verify(token)

    bench.publish(OKPKey.generate_key("Ed25519", auto_kid=True))

    bench.refuses(token)


def test_no_token_is_believed_without_the_file_and_again_when_it_is_back(bench: Bench) -> None:
    token = bench.sign()
    path = bench.settings.jwks_path

    path.unlink()
    with pytest.raises(NoTokenKeysError):
        bench.tokens.verify(token)
    bench.publish(bench.key)

    assert bench.tokens.verify(token).subject == "alice"


def test_keys_for_other_things_in_the_file_are_passed_over(bench: Bench) -> None:
    others = [
        RSAKey.generate_key(2048, auto_kid=True).as_dict(private=False),
        OKPKey.generate_key("X25519", auto_kid=True).as_dict(private=False),
        ECKey.generate_key("P-384", auto_kid=True).as_dict(private=False),
        {"kty": "oct", "k": "c2VjcmV0", "kid": "secret"},
        {"kty": "OKP", "crv": "Ed25519", "x": "short", "kid": "broken"},
        {"kty": "PQC", "kid": "future"},
        {},
    ]
    encryption = bench.key.as_dict(private=False) | {"use": "enc", "kid": "for-encryption"}
    keys = [*others, encryption, bench.key.as_dict(private=False)]
    bench.settings.jwks_path.write_text(json.dumps({"keys": keys}))

    assert bench.tokens.verify(bench.sign()).subject == "alice"
    bench.refuses(bench.sign({"kid": "for-encryption"}))
    bench.refuses(bench.sign({"kid": "secret"}))


def test_a_key_for_one_algorithm_is_good_for_no_other(bench: Bench) -> None:
    key = ECKey.generate_key("P-256", auto_kid=True)
    bench.publish(bench.key)
    bench.tokens.verify(bench.sign())
    jwk = key.as_dict(private=False) | {"alg": "ECDH-ES"}
    bench.settings.jwks_path.write_text(json.dumps({"keys": [bench.key.as_dict(private=False), jwk]}))

    bench.refuses(bench.sign({"alg": "ES256", "kid": key.kid}, key))


def test_tokens_signed_before_a_rotation_stay_good(bench: Bench) -> None:
    before = bench.issuer.issue(Role.ADMIN, "alice", HOUR)

    bench.issuer.rotate()
    after = bench.issuer.issue(Role.ADMIN, "alice", HOUR)

    assert kid_of(before) != kid_of(after)
    assert bench.tokens.verify(before) == bench.tokens.verify(after)


def test_forgetting_the_other_keys_ends_every_token_that_was_issued(bench: Bench) -> None:
    issued = bench.issuer.issue(Role.ADMIN, "alice", HOUR)
    bench.tokens.verify(issued)

    bench.issuer.rotate(forget_others=True)

    bench.refuses(issued)
    bench.refuses(bench.sign())
    assert bench.tokens.verify(bench.issuer.issue(Role.ADMIN, "alice", HOUR)).subject == "alice"


def test_a_signing_key_whose_public_half_was_lost_is_published_again(bench: Bench) -> None:
    bench.issuer.issue(Role.ADMIN, "alice", HOUR)
    bench.settings.jwks_path.unlink()

    assert bench.tokens.verify(bench.issuer.issue(Role.ADMIN, "alice", HOUR)).subject == "alice"


def test_only_its_owner_can_read_the_signing_key(bench: Bench) -> None:
    bench.issuer.issue(Role.ADMIN, "alice", HOUR)

    path = bench.settings.keys / "token-signing.jwk"
    assert path.stat().st_mode & 0o777 == 0o600
    assert "d" in json.loads(path.read_text())
    assert all("d" not in key for key in json.loads(bench.settings.jwks_path.read_text())["keys"])


def test_many_who_issue_the_first_token_at_once_use_one_key(home: Path) -> None:
    issuers = [TokenIssuer(settings_in(home)) for _ in range(16)]
    issued = in_threads([partial(issuer.issue, Role.ADMIN, "alice", HOUR) for issuer in issuers])

    assert len({kid_of(token) for token in issued}) == 1
    assert len(json.loads((home / "keys" / "jwks.json").read_text())["keys"]) == 1


@pytest.mark.parametrize(("role", "subject"), [(Role.SYSTEM, "platform"), (Role.USER, "alice"), (Role.ADMIN, "a b")])
def test_a_token_that_would_be_refused_is_not_issued(bench: Bench, role: Role, subject: str) -> None:
    with pytest.raises(RoleNotIssuableError):
        bench.issuer.issue(role, subject, HOUR)


FAULTS: dict[TokenFault, Callable[[Bench], str]] = {
    TokenFault.TOO_LONG: lambda bench: bench.sign(note="x" * TOKEN_LIMIT),
    TokenFault.MALFORMED: lambda _: "alice@example.com",
    TokenFault.ALGORITHM: lambda bench: bench.sign({"typ": "JWT"}),
    TokenFault.UNKNOWN_KEY: lambda bench: bench.sign({"kid": "alice@example.com"}),
    TokenFault.SIGNATURE: lambda bench: bench.sign(key=OKPKey.generate_key("Ed25519")),
    TokenFault.ISSUER: lambda bench: bench.sign(iss="somebody else"),
    TokenFault.AUDIENCE: lambda bench: bench.sign(aud="somewhere else"),
    TokenFault.EXPIRED: lambda bench: bench.sign(exp=NOW - 3600),
    TokenFault.NOT_YET_VALID: lambda bench: bench.sign(nbf=NOW + 3600),
    TokenFault.CLAIMS: lambda bench: bench.sign(exp=None),
    TokenFault.ROLE: lambda bench: bench.sign(role="system"),
    TokenFault.SUBJECT: lambda bench: bench.sign(role="user", sub="alice@example.com"),
}


@pytest.mark.parametrize("fault", TokenFault)
def test_whoever_runs_the_service_is_told_what_is_wrong_with_a_token_by_a_code(bench: Bench, fault: TokenFault) -> None:
    with pytest.raises(TokenRefusedError) as refused:
        bench.tokens.verify(FAULTS[fault](bench))

    assert (refused.value.fault, str(refused.value)) == (fault, fault.value)


def test_no_more_tokens_are_remembered_than_there_is_room_for(bench: Bench) -> None:
    tokens = JwtAccessTokens(keys_of(bench.settings), "reprise", "reprise", lambda: NOW, remembered=3)

    for number in range(5):
        tokens.verify(bench.sign(jti=str(number)))

    assert len(tokens._verified) == 3


def signed_by(key: OKPKey, header: str, payload: bytes) -> str:
    """A token put together by hand."""
    signed = f"{header}.{encoded(payload)}"
    signature = JWSRegistry.algorithms["Ed25519"].sign(signed.encode(), key)
    return f"{signed}.{encoded(signature)}"


def encoded(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")


def kid_of(token: str) -> str:
    header, _ = token.split(".", 1)
    kid: str = json.loads(base64.urlsafe_b64decode(header + "=="))["kid"]
    return kid


def in_threads(calls: list[Callable[[], str]]) -> list[str]:
    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(lambda call: call(), calls))
