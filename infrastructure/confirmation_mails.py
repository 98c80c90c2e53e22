"""Follows the log and sends the mails that ask people to confirm an address (docs/decisions/0010-mails.md).

A mail is sent after the request for it is durable, and never for a request that has been overtaken or has run out. A
crash between sending a mail and noting it sends that one again, under the same id: at least once, never not at all. A
mail that is not taken, or cannot be made, is put aside and stops no other.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from uuid import UUID

import msgspec
import psycopg
import structlog
from psycopg.rows import TupleRow

from application.mailing import Mail, Mailer, MailRefusedError, confirmation_mail
from application.platform import EmailTokens
from domain.users import User
from domain.values import ERASED, has_passed
from infrastructure.aggregates import play
from infrastructure.event_codec import FORMS
from infrastructure.log_reader import (
    Connection,
    PoisonEventError,
    Wanted,
    facts_from,
    fetch_range,
    fetch_streams,
    read_head,
)

BATCH = 100
"""Positions looked at in one piece of work."""
HANDOVER_LIMIT = "5min"
"""How long a worker may take over one mail before it counts as frozen and another one may go on."""
_CALL_FOR_MAIL = (User.Registered, User.EmailVerificationRequested, User.EmailChangeRequested)
_WANTED = Wanted(topics=[event.TOPIC for event in _CALL_FOR_MAIL], metadata=False, personal=frozenset())
_OF_USER = Wanted(topics=list(FORMS), metadata=False)
_POSITION = 5

_DUE_AGAIN = """
SELECT "position" FROM projection.undelivered_mail WHERE next_attempt_at <= clock_timestamp()
ORDER BY next_attempt_at LIMIT %s
"""
_DUE_AGAIN_STILL = """
SELECT FROM projection.undelivered_mail WHERE "position" = %s AND next_attempt_at <= clock_timestamp()
FOR UPDATE SKIP LOCKED
"""
# From one minute to four hours, doubling each time.
_PUT_ASIDE = """
INSERT INTO projection.undelivered_mail AS m ("position", answer, next_attempt_at)
VALUES (%(position)s, %(answer)s, CASE WHEN NOT %(for_good)s THEN clock_timestamp() + interval '1 minute' END)
ON CONFLICT ("position") DO UPDATE SET
    answer = excluded.answer, attempts = m.attempts + 1, tried_at = clock_timestamp(),
    next_attempt_at = CASE WHEN NOT %(for_good)s THEN
        clock_timestamp() + least(interval '1 minute' * 2 ^ least(m.attempts, 10), interval '4 hours') END
"""

log = structlog.get_logger(__name__)


class _Trouble(msgspec.Struct, frozen=True):
    """Why a mail was not sent."""

    answer: str
    for_good: bool


class ConfirmationMails:
    """Sends what is due."""

    def __init__(self, mailer: Mailer, tokens: EmailTokens, public_url: str) -> None:
        self._mailer = mailer
        self._tokens = tokens
        self._public_url = public_url

    def send_due(self, connection: Connection) -> bool:
        """Send mails that the next events call for, and try some again; false if nothing new was found.

        Raises `OSError` when mails cannot be handed over at all; then the first unsent one is due again.
        """
        self._try_again(connection)
        return self._go_on(connection)

    def _try_again(self, connection: Connection) -> None:
        for (position,) in connection.execute(_DUE_AGAIN, (BATCH,), prepare=True).fetchall():
            with _one_mail(connection):
                if connection.execute(_DUE_AGAIN_STILL, (position,)).rowcount:
                    for row in fetch_range(connection, position - 1, position, _WANTED):
                        self._settle(connection, row)

    def _go_on(self, connection: Connection) -> bool:
        """False if there was nothing new, or another worker is at it."""
        mark = _mark(connection)
        upto = min(mark + BATCH, read_head(connection).position)
        for row in fetch_range(connection, mark, upto, _WANTED):
            with _one_mail(connection):
                if not _is_at(connection, mark):
                    return False
                self._settle(connection, row)
                mark = _move(connection, row[_POSITION])
        if mark == upto:
            return False
        with connection.transaction():
            return _is_at(connection, mark) and bool(_move(connection, upto))

    def _settle(self, connection: Connection, row: TupleRow) -> None:
        """Send a mail, or put it aside; part of the caller's transaction."""
        position = row[_POSITION]
        trouble = self._attempt(connection, row)
        if trouble is None:
            connection.execute('DELETE FROM projection.undelivered_mail WHERE "position" = %s', (position,))
            return
        log.warning("mail.undelivered", position=position, answer=trouble.answer, for_good=trouble.for_good)
        connection.execute(_PUT_ASIDE, {"position": position, **msgspec.structs.asdict(trouble)})

    def _attempt(self, connection: Connection, row: TupleRow) -> _Trouble | None:
        try:
            mail = self._mail(connection, row)
        except (psycopg.Error, OSError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one person's events must not stop others' mails
            return _Trouble(error.kind if isinstance(error, PoisonEventError) else type(error).__name__, for_good=False)
        try:
            if mail:
                self._mailer.send(mail)
        except MailRefusedError as error:
            return _Trouble(error.answer, error.for_good)
        return None

    def _mail(self, connection: Connection, row: TupleRow) -> Mail | None:
        """The mail that an event calls for; none, if that is not open any more."""
        (recorded,) = facts_from([row])
        if recorded.event.confirm_by is None or has_passed(recorded.event.confirm_by, datetime.now(UTC)):
            return None
        user = _user(connection, recorded.event.originator_id)
        request = user.email_request
        if request is None or request.asked_at_version != recorded.event.originator_version:
            return None
        if request.email == ERASED:  # between two looks, this person was forgotten
            return None
        token = self._tokens.issue(user.id, request)
        mail_id = f"confirm-{recorded.position:012d}-{user.id.hex}"
        return confirmation_mail(mail_id, user, request, token, self._public_url)


@contextmanager
def _one_mail(connection: Connection) -> Iterator[None]:
    """A transaction that may last as long as a mail server takes."""
    with connection.transaction():
        connection.execute(f"SET LOCAL idle_in_transaction_session_timeout = '{HANDOVER_LIMIT}'")
        yield


def _mark(connection: Connection) -> int:
    row = connection.execute('SELECT "position" FROM projection.mail_mark', prepare=True).fetchone()
    return int(row[0]) if row else 0


def _is_at(connection: Connection, mark: int) -> bool:
    """Lock the mark, if it still is where it was; false if another worker moves it, or has moved it."""
    statement = 'SELECT FROM projection.mail_mark WHERE "position" = %s FOR UPDATE SKIP LOCKED'
    return bool(connection.execute(statement, (mark,), prepare=True).rowcount)


def _move(connection: Connection, position: int) -> int:
    connection.execute('UPDATE projection.mail_mark SET "position" = %s', (position,), prepare=True)
    return position


def _user(connection: Connection, user_id: UUID) -> User:
    facts = facts_from(fetch_streams(connection, [user_id], read_head(connection).position, _OF_USER))
    user: User = play(None, [fact.event for fact in facts])
    return user
