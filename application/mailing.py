"""The mails that people get, and the port that sends them.

Their recipients have not yet shown that the account is theirs, so no mail contains anything that the owner of an
account wrote, except the address (docs/decisions/0028-mails-to-strangers.md).
"""

from datetime import datetime
from typing import Protocol
from uuid import UUID

import msgspec

from domain.users import EmailRequest
from domain.values import EmailAddress


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """One mail; sending the same id again is harmless to its recipient."""

    id: str
    """Goes out with the mail, so it names nobody."""
    user_id: UUID
    """The account whose address it goes to."""
    recipient: str
    subject: str
    text: str


class MailRefusedError(Exception):
    """The server rejected a mail. Contains its answer, and nothing of the mail."""

    def __init__(self, answer: str, *, for_good: bool) -> None:
        super().__init__(answer)
        self.answer = answer
        self.for_good = for_good
        """Whether a retry makes no sense."""


class Mailer(Protocol):
    """Sends mails."""

    def send(self, mail: Mail) -> None:
        """Hand a mail over for delivery.

        Raises `OSError` if no mail can be handed over now, and `MailRefusedError` if this one is rejected.
        """
        ...


def confirmation_mail(mail_id: str, user_id: UUID, request: EmailRequest, token: str, public_url: str) -> Mail:
    """Asks the owner of an address whether it belongs to an account."""
    return Mail(
        id=mail_id,
        user_id=user_id,
        recipient=request.email,
        subject="Please confirm your email address",
        text=(
            f"Hello,\n\n"
            f"somebody asked to use this email address for an account. If that was you, please confirm that the "
            f"address is yours:\n\n"
            f"{public_url}/confirm-email?token={token}\n\n"
            f"The link is valid until {_minute(request.confirm_by)} and works once.\n"
            f"If it was not you, ignore this mail and nothing will happen.\n"
        ),
    )


def contest_mail(mail_id: str, holder_id: UUID, address: EmailAddress, reserved_until: datetime | None) -> Mail:
    """Tells the holder of an address, or of a reservation that ends, that it was requested for another account."""
    return Mail(
        id=mail_id,
        user_id=holder_id,
        recipient=address,
        subject="Somebody asked to use your email address",
        text=(
            f"Hello,\n\n"
            f"somebody asked to use this email address for an account. {_who_has_it(reserved_until)}\n"
            f"If it was not you, ignore this mail and nothing will happen.\n"
        ),
    )


def _who_has_it(reserved_until: datetime | None) -> str:
    if reserved_until is None:
        return (
            "It already belongs to another account, so nothing has changed, and you need not do anything.\n\n"
            "If it was you: sign in to your account with this address."
        )
    return (
        "Another account requested it before and has not confirmed it yet, so nothing has changed.\n\n"
        f"If it was you: request it again after {_minute(reserved_until)}."
    )


def _minute(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"
