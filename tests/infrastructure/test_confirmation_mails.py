"""The mails that ask people to confirm an address: each is sent, for what still matters, and its token works."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from application.confirm_email import ConfirmEmail, confirm_email
from application.import_person import ImportPerson, import_person
from application.mailing import Mail
from application.register_user import register_user
from application.request_email_change import RequestEmailChange, request_email_change
from application.service import Service
from domain import errors
from infrastructure.confirmation_mails import ConfirmationMails
from infrastructure.keyring import MailedTokens, load_keyring
from infrastructure.service import open_service
from tests.support.running import context, projector, registration, settings_in

T = TypeVar("T")


class Letterbox:
    """A mailer that keeps what it is given, and can be out of order."""

    def __init__(self) -> None:
        self.mails: list[Mail] = []
        self.out_of_order_after: int | None = None

    def send(self, mail: Mail) -> None:
        if self.out_of_order_after is not None and len(self.mails) >= self.out_of_order_after:
            raise ConnectionRefusedError
        self.mails.append(mail)


class Scene:
    """A service and the sender of its mails."""

    def __init__(self, database: str, home: Path) -> None:
        self._database = database
        self._settings = settings_in(home, REPRISE_PUBLIC_URL="https://people.example")
        self.letterbox = Letterbox()

    def when(self, act: Callable[[Service], Awaitable[T]]) -> T:
        async def scenario() -> T:
            async with open_service(self._settings, self._database) as service:
                return await act(service)

        return asyncio.run(scenario())

    def send_due(self) -> None:
        tokens = MailedTokens(load_keyring(self._settings.keys).derive("mailed tokens"))
        mails = ConfirmationMails(self.letterbox, tokens, self._settings.public_url)
        with projector(self._database) as connection:
            while mails.send_due(connection):
                pass


@pytest.fixture
def scene(database: str, home: Path) -> Scene:
    return Scene(database, home)


def token_in(mail: Mail) -> str:
    found = re.search(r"https://people\.example/confirm-email\?token=(\S+)", mail.text)
    assert found is not None
    return found[1]


def test_whoever_registers_is_mailed_a_token_that_works_once(scene: Scene) -> None:
    user_id = scene.when(lambda s: s.commands.run(register_user, registration("ada"), context())).aggregate_id
    scene.send_due()
    (mail,) = scene.letterbox.mails
    token = token_in(mail)

    saved = scene.when(lambda s: s.commands.run(confirm_email, ConfirmEmail(token=token), context()))

    assert (mail.recipient, saved.aggregate_id, saved.version) == ("ada@example.com", user_id, 2)
    with pytest.raises(errors.VerificationTokenInvalid):
        scene.when(lambda s: s.commands.run(confirm_email, ConfirmEmail(token=token), context()))


def test_fifty_confirmations_with_one_token_confirm_once(scene: Scene) -> None:
    scene.when(lambda s: s.commands.run(register_user, registration("ada"), context()))
    scene.send_due()
    command = ConfirmEmail(token=token_in(scene.letterbox.mails[0]))

    async def confirm_often(service: Service) -> list[object]:
        confirmations = (service.commands.run(confirm_email, command, context()) for _ in range(50))
        return list(await asyncio.gather(*confirmations, return_exceptions=True))

    outcomes = scene.when(confirm_often)

    assert sum(isinstance(outcome, errors.VerificationTokenInvalid) for outcome in outcomes) == 49


def test_a_mail_goes_to_the_new_address_and_not_for_a_request_that_was_overtaken(scene: Scene) -> None:
    async def change_twice(service: Service) -> None:
        ada = (await service.commands.run(register_user, registration("ada"), context())).aggregate_id
        for email in ("first@example.com", "second@example.com"):
            await service.commands.run(request_email_change, RequestEmailChange(user_id=ada, email=email), context())

    scene.when(change_twice)
    scene.send_due()

    assert [mail.recipient for mail in scene.letterbox.mails] == ["second@example.com"]


def test_people_who_are_imported_are_not_mailed(scene: Scene) -> None:
    facts = ImportPerson(email="ada@example.com", display_name="Ada", country="GB")
    scene.when(lambda s: s.commands.run(import_person, facts, context()))

    scene.send_due()

    assert scene.letterbox.mails == []


def test_a_mail_that_could_not_be_handed_over_is_sent_later_and_under_the_same_id(scene: Scene) -> None:
    async def register_three(service: Service) -> None:
        for name in ("ada", "bob", "eve"):
            await service.commands.run(register_user, registration(name), context())

    scene.when(register_three)
    scene.letterbox.out_of_order_after = 2
    with pytest.raises(OSError):  # noqa: PT011 - the port promises no more than this kind
        scene.send_due()
    scene.letterbox.out_of_order_after = None

    scene.send_due()

    ids = [mail.id for mail in scene.letterbox.mails]
    assert [mail.recipient[:3] for mail in scene.letterbox.mails] == ["ada", "bob", "ada", "bob", "eve"]
    assert ids[:2] == ids[2:4]
    assert len(set(ids)) == 3
