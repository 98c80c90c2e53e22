"""Follows the log and sends the mails that ask people to confirm an address (docs/decisions/0010-mails.md).

Whether a mail is sent, and which, was decided with the request, by the claim of the address: its event is recorded by
the same command (docs/decisions/0028-mails-to-strangers.md). Nobody is mailed a token for another person's address.

A mail is sent once the request is durable, and never for a request that has been replaced or has expired. After a crash
between sending a mail and noting it, that mail is sent again with the same id: delivery is at least once. A mail that
is rejected, or cannot be written, is set aside and blocks no other.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import structlog
from psycopg.rows import TupleRow

from application.mailing import Mail, Mailer, MailRefusedError
from application.recorded import Recorded
from application.users.emails.email_tokens import EmailTokens
from application.users.emails.mails import confirmation_mail, contest_mail
from domain.users import User
from domain.users.email_claim import EmailClaim
from domain.values import ERASED, has_passed
from infrastructure.commands.aggregates import play
from infrastructure.log.event_codec import FORMS
from infrastructure.log.reader import (
    Connection,
    PoisonEventError,
    Wanted,
    facts_from,
    fetch_range,
    fetch_streams,
    read_head,
    read_range,
)

BATCH = 100
"""Positions looked at in one piece of work."""
HANDOVER_LIMIT = "5min"
"""How long a worker may take over one mail before it counts as frozen and another one may go on."""
_CALL_FOR_MAIL = (User.Registered, User.EmailVerificationRequested, User.EmailChangeRequested)
_WANTED = Wanted(topics=[event.TOPIC for event in _CALL_FOR_MAIL], personal=frozenset())
_OF_USER = Wanted(topics=list(FORMS), metadata=False)
_OF_CLAIM = Wanted(topics=[topic for topic in FORMS if topic.startswith(f"{EmailClaim.TOPIC}.")], personal=frozenset())
_POSITION = 5
COMMAND_LIMIT = 20
"""Events of one command after the one that causes a mail; there are six while the claims key is being replaced."""

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
        """The mail that an event calls for; none, if that is not open any more, or the address was sent too many."""
        (recorded,) = facts_from([row])
        now = datetime.now(UTC)
        user = _who_waits(connection, recorded.event, now)
        if user is None:
            return None
        if _is_mailed_in_any_case(recorded.event):
            return self._confirmation(user, recorded.position)
        decided = _decided(connection, recorded)
        if not decided:
            return None
        claim = _claim(connection, {fact.originator_id for fact in decided})
        is_contested = isinstance(decided[0], EmailClaim.Contested)
        if claim.is_free_for(user.id, now):
            # What the holder has given up since is not the asker's for that: they may ask again.
            return None if is_contested else self._confirmation(user, recorded.position)
        return _contest_mail(connection, claim, recorded.position) if is_contested else None

    def _confirmation(self, user: User, position: int) -> Mail:
        assert user.email_request is not None  # noqa: S101 - they wait for it
        token = self._tokens.issue(user.id, user.email_request)
        return confirmation_mail(f"confirm-{position:012d}", user.id, user.email_request, token, self._public_url)


def _who_waits(connection: Connection, event: Any, now: datetime) -> User | None:
    """The user who asked for a mail, if nothing has come of that yet."""
    if event.confirm_by is None or has_passed(event.confirm_by, now):
        return None
    user = _user(connection, event.originator_id)
    request = user.email_request
    if request is None or request.asked_at_version != event.originator_version:
        return None
    # Between two looks, this person may have been forgotten.
    return None if request.email == ERASED else user


def _is_mailed_in_any_case(event: Any) -> bool:
    """Who registers to be mailed is; and what was asked for before there were limits has nobody to decide on it."""
    return isinstance(event, User.Registered) or event.asked_at is None


def _decided(connection: Connection, recorded: Recorded[Any]) -> list[Any]:
    """What the same command recorded about the address, if it is to be mailed; nothing if not.

    Twice the same, while the key of the claims is being replaced.
    """
    asked = recorded.event
    following = read_range(connection, recorded.position, recorded.position + COMMAND_LIMIT, _OF_CLAIM)
    facts = [fact.event for fact in following if fact.command_id == recorded.command_id]
    return [fact for fact in facts if getattr(fact, "mailed_at", None) == asked.asked_at]


def _claim(connection: Connection, claim_ids: Iterable[UUID]) -> EmailClaim:
    """The claim of an address, as of now; of those under two keys, the one that was changed last."""
    head = read_head(connection).position
    claims = {claim_id: EmailClaim.blank(claim_id) for claim_id in claim_ids}
    for fact in facts_from(fetch_streams(connection, list(claims), head, _OF_CLAIM)):
        fact.event.mutate(claims[fact.event.originator_id])
    return max(claims.values(), key=lambda claim: claim.modified_on)


def _contest_mail(connection: Connection, claim: EmailClaim, position: int) -> Mail | None:
    """Tells who has an address, in their own spelling of it; nobody, if they were forgotten."""
    if claim.holder is None:
        return None
    holder = _user(connection, claim.holder)
    address = holder.email if claim.reserved_until is None else holder.pending_email
    if address is None or address == ERASED:
        return None
    return contest_mail(f"contest-{position:012d}", claim.holder, address, claim.reserved_until)


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
