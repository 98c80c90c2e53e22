"""A service, the sender of its mails, and a letterbox that keeps them."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import psycopg

from application.mailing import Mail, MailRefusedError
from application.ports import Service
from application.users.register_user import register_user
from infrastructure.composition import open_service
from infrastructure.secrets.keyring import load_keyring
from infrastructure.settings import Settings
from infrastructure.users.confirmation_mails import ConfirmationMails
from infrastructure.users.email_tokens import MailedTokens
from tests.support.running import context, projector, registration, settings_in

T = TypeVar("T")


class Letterbox:
    """A mailer that keeps what it is given, can be out of order, and can refuse what is for somebody."""

    def __init__(self) -> None:
        self.mails: list[Mail] = []
        self.out_of_order_after: int | None = None
        self.refusals: dict[str, MailRefusedError] = {}

    @property
    def recipients(self) -> list[str]:
        return [mail.recipient.partition("@")[0] for mail in self.mails]

    def send(self, mail: Mail) -> None:
        if self.out_of_order_after is not None and len(self.mails) >= self.out_of_order_after:
            raise ConnectionRefusedError
        if mail.recipient in self.refusals:
            raise self.refusals[mail.recipient]
        self.mails.append(mail)


class Scene:
    """A service and the sender of its mails."""

    def __init__(self, database: str, home: Path) -> None:
        self._database = database
        self._home = home
        self._settings = settings_in(home, REPRISE_PUBLIC_URL="https://people.example")
        self.letterbox = Letterbox()

    def when(self, act: Callable[[Service], Awaitable[T]]) -> T:
        async def scenario() -> T:
            async with open_service(self._settings, self._database) as service:
                return await act(service)

        return asyncio.run(scenario())

    def registered(self, *names: str, within_hours: str = "72") -> None:
        self._settings = settings_in(
            self._home, REPRISE_PUBLIC_URL="https://people.example", REPRISE_CONFIRM_WITHIN_HOURS=within_hours
        )

        async def register(service: Service) -> None:
            for name in names:
                await service.commands.run(register_user, registration(name), context())

        self.when(register)

    def undelivered(self) -> list[tuple[Any, ...]]:
        with projector(self._database) as connection:
            return connection.execute(
                "SELECT answer, attempts, next_attempt_at > tried_at FROM projection.undelivered_mail "
                'ORDER BY "position"'
            ).fetchall()

    def let_the_next_attempt_come(self) -> None:
        with projector(self._database) as connection:
            connection.execute("UPDATE projection.undelivered_mail SET next_attempt_at = clock_timestamp()")

    def pause(self) -> int:
        """Minutes between the last attempt and the next."""
        with projector(self._database) as connection:
            row = connection.execute("SELECT next_attempt_at - tried_at FROM projection.undelivered_mail").fetchone()
        return round(row[0] / timedelta(minutes=1)) if row else 0

    def break_newest(self, topic: str) -> None:
        """Make the newest fact of a topic one that no program of ours can read."""
        self._tamper(
            "UPDATE log.event SET state = '?' || state "
            'WHERE "position" = (SELECT max("position") FROM log.event WHERE topic = %s)',
            topic,
        )

    def mend(self) -> None:
        self._tamper("UPDATE log.event SET state = substr(state, 2) WHERE substr(state, 1, 1) = %s", "?")

    def _tamper(self, statement: str, value: str) -> None:
        with psycopg.connect(self._database) as owner:
            owner.execute("SET LOCAL session_replication_role = replica")
            assert owner.execute(statement.encode(), (value,)).rowcount == 1

    def send_due(self) -> None:
        send_due(self._settings, self._database, self.letterbox)


def send_due(settings: Settings, conninfo: str, letterbox: Letterbox) -> None:
    """Put all mails into a letterbox that are due."""
    tokens = MailedTokens(load_keyring(settings.keys).derive("mailed tokens"))
    mails = ConfirmationMails(letterbox, tokens, settings.public_url)
    with projector(conninfo) as connection:
        while mails.send_due(connection):
            pass


def token_in(mail: Mail) -> str:
    found = re.search(r"https://people\.example/confirm-email\?token=(\S+)", mail.text)
    assert found is not None
    return found[1]
