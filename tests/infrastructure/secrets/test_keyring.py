"""The service's secrets, and what is made with them: ids of claims, mailed tokens, cursors."""

import os
import stat
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from uuid import RFC_4122, UUID

import pytest
from hypothesis import assume
from hypothesis import given as for_all
from hypothesis import strategies as st
from msgspec.structs import replace

from application.queries import CursorInvalidError
from domain.errors import VerificationTokenInvalid
from domain.users import EmailRequest
from domain.values import EmailAddress
from infrastructure.queries.cursors import Cursors
from infrastructure.secrets.keyring import Keyring, SecretMissingError, load_keyring
from infrastructure.users.claims.claim_ids import ClaimIds
from infrastructure.users.email_tokens import MailedTokens
from tests.support.instants import CONFIRM_BY
from tests.support.users import EMAIL, OTHER_EMAIL
from tests.support.values import ANY_TEXT, emails, instants

VARIABLES = {"REPRISE_CLAIMS_KEY": "claims.key", "REPRISE_SERVICE_KEY": "service.key"}
ADA, GRACE = UUID("01960000-0000-7000-8000-00000000000a"), UUID("01960000-0000-7000-8000-00000000000b")
REQUEST = EmailRequest(EMAIL, CONFIRM_BY, asked_at_version=1)
CLAIM_IDS = ClaimIds(b"c" * 32)
TOKENS = MailedTokens(b"t" * 32)
CURSORS = Cursors(b"k" * 32)


def octets_of(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def text_of(octets: bytes) -> str:
    return urlsafe_b64encode(octets).decode().rstrip("=")


@pytest.fixture(autouse=True)
def _no_secrets_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)


def test_secrets_are_made_once_and_found_again(home: Path) -> None:
    first = load_keyring(home / "keys")

    assert load_keyring(home / "keys") == first
    assert len(first.claims) == len(first.service) == 32
    assert first.claims != first.service


def test_two_services_have_different_secrets(tmp_path: Path) -> None:
    one, other = load_keyring(tmp_path / "one"), load_keyring(tmp_path / "other")

    assert {one.claims, one.service}.isdisjoint({other.claims, other.service})


def test_only_the_owner_can_read_the_secrets(home: Path) -> None:
    old_mask = os.umask(0)
    try:
        load_keyring(home / "keys")
    finally:
        os.umask(old_mask)

    assert stat.S_IMODE((home / "keys").stat().st_mode) == 0o700
    assert {stat.S_IMODE((home / "keys" / name).stat().st_mode) for name in VARIABLES.values()} == {0o600}


def test_nothing_unfinished_is_left_behind(home: Path) -> None:
    load_keyring(home)

    load_keyring(home)

    assert {path.name for path in home.iterdir()} == set(VARIABLES.values())


def test_many_first_starts_at_once_agree_on_the_secrets(home: Path) -> None:
    with ThreadPoolExecutor(16) as starts:
        keyrings = list(starts.map(lambda _: load_keyring(home), range(64)))

    assert len({(keyring.claims, keyring.service) for keyring in keyrings}) == 1
    assert {path.name for path in home.iterdir()} == set(VARIABLES.values())


def test_secrets_of_the_environment_win_and_touch_no_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPRISE_CLAIMS_KEY", b64encode(b"c" * 32).decode())
    monkeypatch.setenv("REPRISE_SERVICE_KEY", b64encode(b"s" * 40).decode())

    keyring = load_keyring(home)

    assert keyring == Keyring(claims=b"c" * 32, service=b"s" * 40)
    assert not home.exists()


@pytest.mark.parametrize("variable", [*VARIABLES, "REPRISE_NEXT_CLAIMS_KEY"])
@pytest.mark.parametrize(
    "text", ["", "secret", "!" * 44, b64encode(b"x" * 31).decode(), f" {b64encode(b'x' * 32).decode()}", "-_" * 22]
)
def test_a_secret_that_is_short_or_garbled_is_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch, variable: str, text: str
) -> None:
    monkeypatch.setenv(variable, text)

    with pytest.raises(SecretMissingError, match=f"^{variable} must be at least 32 octets in base64"):
        load_keyring(home)


def test_a_secret_that_is_not_ascii_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPRISE_CLAIMS_KEY", "é" * 44)

    with pytest.raises(SecretMissingError):
        load_keyring(home)


@pytest.mark.parametrize("content", [b"", b"x" * 31])
def test_a_secret_file_that_was_cut_short_is_refused(home: Path, content: bytes) -> None:
    load_keyring(home)
    (home / "claims.key").write_bytes(content)

    with pytest.raises(SecretMissingError):
        load_keyring(home)


def test_the_next_key_of_the_claims_is_given_or_there_is_none(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_keyring(home).next_claims is None

    (home / "next-claims.key").write_bytes(b"f" * 32)
    assert load_keyring(home).next_claims == b"f" * 32

    monkeypatch.setenv("REPRISE_NEXT_CLAIMS_KEY", b64encode(b"e" * 32).decode())
    assert load_keyring(home).next_claims == b"e" * 32


def test_a_refusal_does_not_show_the_secret(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPRISE_CLAIMS_KEY", "hunter2")

    with pytest.raises(SecretMissingError) as refusal:
        load_keyring(home)

    assert "hunter2" not in str(refusal.value)


def test_each_purpose_has_a_key_of_its_own_that_follows_from_the_service_s_secret() -> None:
    keyring, other = Keyring(claims=b"c" * 32, service=b"s" * 32), Keyring(claims=b"c" * 32, service=b"x" * 32)

    keys = {keyring.derive("tokens"), keyring.derive("cursors"), other.derive("tokens"), keyring.service}

    assert len(keys) == 4
    assert keyring.derive("tokens") == replace(keyring, claims=b"y" * 32).derive("tokens")
    assert {len(key) for key in keys} == {32}


@for_all(emails())
def test_the_id_of_a_claim_is_a_uuid_of_version_8(address: EmailAddress) -> None:
    claim_id = CLAIM_IDS.of(address)

    assert (claim_id.version, claim_id.variant) == (8, RFC_4122)


@pytest.mark.parametrize(
    ("address", "claim_id"),
    [
        ("ada@example.com", "af0d7ac3-c008-84d2-b3f8-8aad812cee4e"),
        ("joan@example.org", "8a07d92e-3373-8a01-86fe-d247f4b0b4ed"),
        ("straße@example.com", "69d6f6bc-bcae-8d8f-82db-9b5c021ecfa9"),
    ],
)
def test_the_id_of_a_claim_never_changes(address: str, claim_id: str) -> None:
    # HMAC-SHA-256 of "email:" and the key form under a key of 32 times "c", with the bits of RFC 9562 section 5.8.
    assert CLAIM_IDS.of(EmailAddress(address)) == UUID(claim_id)


@pytest.mark.parametrize("spelling", ["ADA@example.com", "ada@EXAMPLE.com", "\uff41da@example.com"])
def test_each_spelling_of_an_address_has_the_same_claim(spelling: str) -> None:
    assert CLAIM_IDS.of(EmailAddress(spelling)) == CLAIM_IDS.of(EMAIL)


def test_different_addresses_have_different_claims() -> None:
    ids = {CLAIM_IDS.of(EmailAddress(f"{number}@example.com")) for number in range(10_000)}

    assert len(ids) == 10_000


def test_without_the_key_the_id_of_a_claim_cannot_be_found() -> None:
    assert ClaimIds(b"d" * 32).of(EMAIL) != CLAIM_IDS.of(EMAIL)


@for_all(st.uuids(), emails(), instants(), st.integers(1, 2**32 - 1))
def test_a_token_matches_its_own_question_and_names_its_user(
    user_id: UUID, address: EmailAddress, confirm_by: datetime, version: int
) -> None:
    request = EmailRequest(address, confirm_by, version)

    token = TOKENS.issue(user_id, request)

    assert TOKENS.matches(token, user_id, request)
    assert TOKENS.user_of(token) == user_id
    assert len(token) == 59
    assert token.replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize(
    ("user_id", "question"),
    [
        (GRACE, REQUEST),
        (ADA, replace(REQUEST, email=OTHER_EMAIL)),
        (ADA, replace(REQUEST, asked_at_version=2)),
        (ADA, replace(REQUEST, confirm_by=CONFIRM_BY + timedelta(seconds=1))),
    ],
)
def test_a_token_matches_no_other_user_address_question_or_deadline(user_id: UUID, question: EmailRequest) -> None:
    assert not TOKENS.matches(TOKENS.issue(ADA, REQUEST), user_id, question)


def test_a_token_made_with_another_key_does_not_match() -> None:
    assert not TOKENS.matches(MailedTokens(b"x" * 32).issue(ADA, REQUEST), ADA, REQUEST)


@for_all(ANY_TEXT)
def test_any_other_text_does_not_match(text: str) -> None:
    token = TOKENS.issue(ADA, REQUEST)
    assume(text)

    assert not TOKENS.matches(text, ADA, REQUEST)
    assert not TOKENS.matches(token + text, ADA, REQUEST)
    assert not TOKENS.matches(text + token, ADA, REQUEST)


@for_all(ANY_TEXT)
def test_any_text_names_a_user_or_is_refused(text: str) -> None:
    try:
        user_id = TOKENS.user_of(text)
    except VerificationTokenInvalid:
        return
    assert isinstance(user_id, UUID)


@pytest.mark.parametrize("octets", [0, 1, 16, 43, 45, 1000])
def test_what_has_not_the_length_of_a_token_is_refused(octets: int) -> None:
    with pytest.raises(VerificationTokenInvalid):
        TOKENS.user_of(text_of(b"x" * octets))


def test_the_same_octets_in_another_spelling_are_another_token() -> None:
    token = TOKENS.issue(ADA, REQUEST)
    octets = octets_of(token)
    spellings = [token[:-1] + last for last in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"]

    same = [text for text in spellings if octets_of(text) == octets]

    assert len(same) == 4
    assert [text for text in (*same, token + "=") if TOKENS.matches(text, ADA, REQUEST)] == [token]


@for_all(st.binary(), st.binary())
def test_a_cursor_leads_back_to_its_place(query: bytes, place: bytes) -> None:
    assert CURSORS.open(query, CURSORS.seal(query, place)) == place


@for_all(st.binary(), st.binary(), st.binary())
def test_a_cursor_is_good_for_its_own_query_only(query: bytes, other: bytes, place: bytes) -> None:
    assume(query != other)

    with pytest.raises(CursorInvalidError):
        CURSORS.open(other, CURSORS.seal(query, place))


def test_what_belongs_to_the_query_cannot_be_moved_to_the_place() -> None:
    octets = octets_of(CURSORS.seal(b"status=active&x", b"place"))

    for cut in range(1, 15):
        moved = text_of(octets[:12] + b"status=active&x"[cut:] + b"place")
        with pytest.raises(CursorInvalidError):
            CURSORS.open(b"status=active&x"[:cut], moved)


def test_no_part_of_a_cursor_can_be_left_out_or_added() -> None:
    cursor = CURSORS.seal(b"query", b"a place!!")

    for altered in (*(cursor[:length] for length in range(len(cursor))), cursor[4:], cursor + "AAAA"):
        with pytest.raises(CursorInvalidError):
            CURSORS.open(b"query", altered)


def test_no_octet_of_a_cursor_can_be_altered() -> None:
    octets = octets_of(CURSORS.seal(b"query", b"12345678"))

    for at in range(len(octets)):
        altered = octets[:at] + bytes([octets[at] ^ 1]) + octets[at + 1 :]
        with pytest.raises(CursorInvalidError):
            CURSORS.open(b"query", text_of(altered))


def test_a_cursor_made_with_another_key_is_refused() -> None:
    with pytest.raises(CursorInvalidError):
        CURSORS.open(b"query", Cursors(b"x" * 32).seal(b"query", b"place"))


@for_all(st.binary(), ANY_TEXT)
def test_any_text_is_refused_as_a_cursor(query: bytes, text: str) -> None:
    with pytest.raises(CursorInvalidError):
        CURSORS.open(query, text)
