"""Mails, and the port that sends them."""

from typing import Protocol
from uuid import UUID

import msgspec


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
