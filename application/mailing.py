"""The mails that people get, and the way out for them."""

from typing import Protocol

import msgspec

from domain.users import EmailRequest, User


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """One mail; sending the same id again is harmless to its recipient."""

    id: str
    recipient: str
    subject: str
    text: str


class MailRefusedError(Exception):
    """One mail is not taken; others may be. Says what the answer was, and nothing of the mail."""

    def __init__(self, answer: str, *, for_good: bool) -> None:
        super().__init__(answer)
        self.answer = answer
        self.for_good = for_good
        """Whether it makes no sense to try again."""


class Mailer(Protocol):
    """Sends mails."""

    def send(self, mail: Mail) -> None:
        """Hand a mail over for delivery.

        Raises `OSError` if none can be handed over now, and `MailRefusedError` if this one is not taken.
        """
        ...


def confirmation_mail(mail_id: str, user: User, request: EmailRequest, token: str, public_url: str) -> Mail:
    """Asks the owner of an address whether it belongs to this account."""
    return Mail(
        id=mail_id,
        recipient=request.email,
        subject="Please confirm your email address",
        text=(
            f"Hello {user.display_name},\n\n"
            f"please confirm that this is your email address:\n\n"
            f"{public_url}/confirm-email?token={token}\n\n"
            f"The link is good until {request.confirm_by:%Y-%m-%d %H:%M} UTC and works once.\n"
            f"If you did not ask for this, ignore this mail and nothing happens.\n"
        ),
    )
