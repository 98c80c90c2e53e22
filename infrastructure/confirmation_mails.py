"""Follows the log and sends the mails that ask people to confirm an address.

A mail is sent after the request for it is durable, and never for a request that has been overtaken. A crash between
sending and noting it sends the mail again, under the same id: at least once, never not at all.
"""

from typing import Any
from uuid import UUID

from application.mailing import Mailer, confirmation_mail
from application.platform import EmailTokens
from application.recorded import Recorded
from domain.users import User
from domain.values import ERASED
from infrastructure.aggregates import play
from infrastructure.event_codec import FORMS
from infrastructure.log_reader import Connection, Wanted, facts_from, fetch_streams, read_head, read_range

BATCH = 100
"""Positions looked at in one transaction, which lasts as long as their mails take."""
_CALL_FOR_MAIL = (User.Registered, User.EmailVerificationRequested, User.EmailChangeRequested)
_WANTED = Wanted(topics=[event.TOPIC for event in _CALL_FOR_MAIL], metadata=False, personal=frozenset())
_OF_USER = Wanted(topics=list(FORMS), metadata=False)


class ConfirmationMails:
    """Sends what is due."""

    def __init__(self, mailer: Mailer, tokens: EmailTokens, public_url: str) -> None:
        self._mailer = mailer
        self._tokens = tokens
        self._public_url = public_url

    def send_due(self, connection: Connection) -> bool:
        """Send the mails that the next events call for; false if there was nothing new, or another worker is at it.

        Raises `OSError` when mails cannot be handed over; then the same ones are due again.
        """
        with connection.transaction():
            row = connection.execute('SELECT "position" FROM projection.mail_mark FOR UPDATE SKIP LOCKED').fetchone()
            if row is None:
                return False
            upto = min(row[0] + BATCH, read_head(connection).position)
            if upto == row[0]:
                return False
            for recorded in read_range(connection, row[0], upto, _WANTED):
                self._send(connection, recorded)
            connection.execute('UPDATE projection.mail_mark SET "position" = %s', (upto,))
        return True

    def _send(self, connection: Connection, recorded: Recorded[Any]) -> None:
        if recorded.event.confirm_by is None:
            return
        user = _user(connection, recorded.event.originator_id)
        request = user.email_request
        if request is None or request.asked_at_version != recorded.event.originator_version:
            return
        if request.email == ERASED:  # between two looks, this person was forgotten
            return
        token = self._tokens.issue(user.id, request)
        mail_id = f"confirm-{recorded.position:012d}"
        self._mailer.send(confirmation_mail(mail_id, user, request, token, self._public_url))


def _user(connection: Connection, user_id: UUID) -> User:
    facts = facts_from(fetch_streams(connection, [user_id], read_head(connection).position, _OF_USER))
    user: User = play(None, [fact.event for fact in facts])
    return user
