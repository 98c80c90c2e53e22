"""The text of the mail that asks whether an address belongs to somebody."""

from datetime import UTC, datetime

from application.mailing import confirmation_mail
from domain.users import EmailRequest
from domain.values import EmailAddress
from tests.support.users import OTHER_EMAIL, a_user_with_a_pending_email

REQUEST = EmailRequest(OTHER_EMAIL, datetime(2026, 3, 17, 15, 9, 26, tzinfo=UTC), asked_at_version=3)


def test_the_mail_goes_to_the_address_it_asks_about() -> None:
    mail = confirmation_mail("confirm-1", a_user_with_a_pending_email(), REQUEST, "TOKEN", "https://music.example")

    assert (mail.id, mail.recipient) == ("confirm-1", OTHER_EMAIL)
    assert EmailAddress("ada@example.com") not in mail.text


def test_the_mail_holds_the_link_its_deadline_and_the_way_out() -> None:
    mail = confirmation_mail("confirm-1", a_user_with_a_pending_email(), REQUEST, "TOKEN", "https://music.example")

    assert "\nhttps://music.example/confirm-email?token=TOKEN\n" in mail.text
    assert "good until 2026-03-17 15:09 UTC and works once" in mail.text
    assert "Hello Ada," in mail.text
    assert "ignore this mail" in mail.text


def test_the_subject_is_one_line_that_says_nothing_about_the_person() -> None:
    mail = confirmation_mail("confirm-1", a_user_with_a_pending_email(), REQUEST, "TOKEN", "https://music.example")

    assert mail.subject == "Please confirm your email address"
