"""The texts of the mails that go to addresses of which nobody knows yet whose they are."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from application.mailing import Mail
from application.users.emails.mails import confirmation_mail, contest_mail
from domain.users import EmailRequest
from tests.support.users import OTHER_EMAIL

ADA = uuid4()
REQUEST = EmailRequest(OTHER_EMAIL, datetime(2026, 3, 17, 15, 9, 26, tzinfo=UTC), asked_at_version=3)
CONFIRMATION = confirmation_mail("confirm-1", ADA, REQUEST, "TOKEN", "https://music.example")
MAILS = [
    CONFIRMATION,
    contest_mail("contest-1", ADA, OTHER_EMAIL, None),
    contest_mail("contest-1", ADA, OTHER_EMAIL, REQUEST.confirm_by),
]


@pytest.mark.parametrize("mail", MAILS, ids=["confirmation", "held", "reserved"])
def test_a_mail_goes_to_the_address_it_is_about(mail: Mail) -> None:
    assert (mail.recipient, mail.user_id) == (OTHER_EMAIL, ADA)


@pytest.mark.parametrize("mail", MAILS, ids=["confirmation", "held", "reserved"])
def test_a_mail_says_that_nothing_need_be_done_and_names_nobody(mail: Mail) -> None:
    assert mail.text.startswith("Hello,\n\nsomebody asked to use this email address for an account.")
    assert "ignore this mail and nothing will happen" in mail.text
    assert ADA.hex not in mail.id + mail.subject + mail.text
    assert "\n" not in mail.subject + mail.id


def test_the_mail_holds_the_link_and_its_deadline() -> None:
    assert "\nhttps://music.example/confirm-email?token=TOKEN\n" in CONFIRMATION.text
    assert "valid until 2026-03-17 15:09 UTC and works once" in CONFIRMATION.text


def test_who_has_an_address_is_told_without_a_link() -> None:
    held, reserved = MAILS[1:]

    assert "sign in to your account with this address" in held.text
    assert "request it again after 2026-03-17 15:09 UTC" in reserved.text
    assert not any("token" in mail.text or "://" in mail.text for mail in (held, reserved))


@for_all(user_id=st.uuids(), token=st.text("abcdefghijklmnopqrstuvwxyz-_", min_size=40, max_size=60))
def test_two_mails_of_a_kind_differ_in_token_and_deadline_only(user_id: UUID, token: str) -> None:
    mail = confirmation_mail("confirm-1", user_id, REQUEST, token, "https://music.example")

    assert mail.text.replace(token, "TOKEN") == CONFIRMATION.text
    assert mail.subject == CONFIRMATION.subject
