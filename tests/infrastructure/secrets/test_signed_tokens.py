"""Octets with a MAC, as text: those issued before stay good for ever, and no other text is good."""

from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import assume
from hypothesis import given as for_all
from hypothesis import strategies as st

from application.privacy.data_exports import ExportLinkInvalidError
from domain.users import EmailRequest
from domain.values import EmailAddress
from infrastructure.privacy.data_exports import DataExportQueries
from infrastructure.queries.cursors import Cursors
from infrastructure.secrets.signed_tokens import SignedTokens, TokenMalformedError
from infrastructure.users.email_tokens import MailedTokens
from tests.support.values import ANY_TEXT

KEY = bytes(range(32))
USER_ID = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
REQUEST = EmailRequest(EmailAddress("Ada@Example.net"), datetime(2026, 7, 1, 12, 30, 15, tzinfo=UTC), 7)
MAILED = "AYkKXayWd0u8zrMCCZqAVwAAAAcFE3CFKOAtRC9Zw06aZf6BE62XnCTrTo8"
EXPORT_LINK = "AYkKXayWd0u8zrMCCZqAV88gcx6fwgdu887pN-npERX1xgFjmmWw5m7w"
NO_POOL: Any = None
FORMS = [SignedTokens(KEY, 12), SignedTokens(KEY, 12, mac_first=True), SignedTokens(KEY, 32)]


def test_mailed_tokens_are_those_of_release_0_1() -> None:
    tokens = MailedTokens(KEY)

    assert tokens.issue(USER_ID, REQUEST) == MAILED
    assert tokens.matches(MAILED, USER_ID, REQUEST)
    assert (tokens.user_of(MAILED), tokens.version_of(MAILED)) == (USER_ID, 7)


@pytest.mark.parametrize(
    ("query", "place", "cursor"),
    [
        (b"users", b"\1\2\3", "TXg3HY1rBLhrtBMtAQID"),
        (b"", b"", "qGrLy8Kbj6g8g1gt"),
        (b"changes?x=1", bytes(range(20)), "baVsupwGgwwC60yKAAECAwQFBgcICQoLDA0ODxAREhM"),
    ],
)
def test_cursors_are_those_of_release_0_1(query: bytes, place: bytes, cursor: str) -> None:
    cursors = Cursors(KEY)

    assert cursors.seal(query, place) == cursor
    assert cursors.open(query, cursor) == place


def test_secrets_of_export_links_are_those_of_release_0_1() -> None:
    assert DataExportQueries(NO_POOL, KEY).token(USER_ID) == EXPORT_LINK


@pytest.mark.parametrize("other", ["", "é", EXPORT_LINK[:-1], EXPORT_LINK + "A", EXPORT_LINK + "=", "!" + EXPORT_LINK])
async def test_an_export_has_one_secret_and_no_other_spelling_of_it(other: str) -> None:
    """Ours is compared as a text: base64 passes over characters that are not its own."""
    with pytest.raises(ExportLinkInvalidError):
        await DataExportQueries(NO_POOL, KEY).find(other)


@pytest.mark.parametrize("form", FORMS)
@for_all(st.binary(), st.binary(), st.binary())
def test_a_token_gives_its_payload_and_is_good_for_what_was_signed_only(
    form: SignedTokens, payload: bytes, signed: bytes, other: bytes
) -> None:
    assume(signed != other)

    token = form.issue(payload, signed)

    assert form.payload(token) == payload
    assert form.matches(token, payload, signed)
    assert not form.matches(token, payload, other)
    assert not form.matches(token, payload + b"x", signed)


@pytest.mark.parametrize("form", FORMS)
@for_all(ANY_TEXT)
def test_no_other_text_is_good(form: SignedTokens, text: str) -> None:
    token = form.issue(b"payload", b"signed")
    assume(text)

    for other in (text, text + token, token + text):
        assert not form.matches(other, b"payload", b"signed")


@pytest.mark.parametrize("text", ["", "A", "é", "\ud800", urlsafe_b64encode(b"x" * 11).decode()])
def test_what_is_too_short_for_a_mac_or_no_base64_has_no_payload(text: str) -> None:
    for form in FORMS:
        with pytest.raises(TokenMalformedError):
            form.payload(text)
