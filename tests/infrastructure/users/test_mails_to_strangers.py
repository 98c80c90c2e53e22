"""What goes to an address of which nobody knows yet whose it is: few mails, and no word of whoever had them sent."""

import asyncio
import re
from functools import partial
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from application.commands import UseCase
from application.mailing import Mail
from application.policy import Policy
from application.ports import Service
from application.privacy.erase_user import EraseUser, erase_user
from application.unit_of_work import Saved, UnitOfWork
from application.users.emails.address_claims import claim_of
from application.users.emails.request_email_change import RequestEmailChange, request_email_change
from application.users.register_user import register_user
from domain import errors
from domain.users import User
from domain.values import EmailAddress
from infrastructure.users.confirmation_mails import COMMAND_LIMIT
from tests.support.claims_town import DURING, Town, asking_for, confirming, registering
from tests.support.mail_scene import Letterbox, Scene, send_due, token_in
from tests.support.running import context, registration

NAMES = [
    "Win at http://evil.example",
    "evil.example: your prize",
    "Przelew ważny kliknij",
    "获奖通知请点击链接",
    "🎁🎁🎁 gratis",
    "%s {token} ${public_url}",
]


@pytest.fixture
def scene(database: str, home: Path) -> Scene:
    return Scene(database, home)


@pytest.fixture
def town(database: str, tmp_path: Path) -> Town:
    return Town(database, tmp_path)


async def registered(service: Service, name: str, **facts: str) -> UUID:
    return (await service.commands.run(register_user, registration(name, **facts), context())).aggregate_id


async def ask(service: Service, user_id: UUID, email: str) -> Saved:
    wanted = RequestEmailChange(user_id=user_id, email=email)
    return await service.commands.run(request_email_change, wanted, context())


def without_token_and_deadline(mail: Mail) -> str:
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d", "", mail.text.replace(token_in(mail), ""))


def test_first_mails_are_alike_whatever_name_their_sender_goes_by(scene: Scene) -> None:
    async def everybody(service: Service) -> None:
        for number, name in enumerate(NAMES):
            user_id = await registered(service, f"user{number}", display_name=name)
            await ask(service, user_id, f"stranger{number}@example.com")
        for number, name in enumerate(NAMES):
            await registered(service, f"other{number}", display_name=name)

    scene.when(everybody)
    scene.send_due()

    assert len(scene.letterbox.mails) == 2 * len(NAMES)
    assert len({(mail.subject, without_token_and_deadline(mail)) for mail in scene.letterbox.mails}) == 1


def test_who_has_an_address_is_told_that_it_was_asked_for_and_nobody_is_sent_a_token(scene: Scene) -> None:
    async def mallory_wants_the_address_of_ada(service: Service) -> UUID:
        await registered(service, "Ada")
        mallory = await registered(service, "mallory", display_name="Mallory of Example")
        scene.send_due()
        scene.letterbox.mails.clear()
        await ask(service, mallory, "ADA@example.com")
        return mallory

    mallory = scene.when(mallory_wants_the_address_of_ada)
    scene.send_due()

    (mail,) = scene.letterbox.mails
    assert mail.recipient == "Ada@example.com"
    assert "sign in to your account with this address" in mail.text
    everything = f"{mail.id} {mail.subject} {mail.text}".casefold()
    assert not any(word in everything for word in ("mallory", mallory.hex, str(mallory), "token", "://"))


def test_who_asks_for_a_reserved_address_has_its_owner_told_until_when_it_is(scene: Scene) -> None:
    async def two_want_an_address(service: Service) -> None:
        for name in ("ada", "mallory"):
            await ask(service, await registered(service, name), "wanted@example.com")

    scene.when(two_want_an_address)
    scene.send_due()

    first, second = (mail for mail in scene.letterbox.mails if mail.recipient == "wanted@example.com")
    assert token_in(first)
    assert "token" not in second.text
    assert re.search(r"request it again after \d{4}-\d\d-\d\d \d\d:\d\d UTC", second.text)


def test_nobody_is_told_any_more_when_the_holder_has_gone_and_the_asker_gets_no_token(scene: Scene) -> None:
    async def ada_is_erased_before_the_mail_goes(service: Service) -> None:
        ada, mallory = await registered(service, "ada"), await registered(service, "mallory")
        scene.send_due()
        scene.letterbox.mails.clear()
        await ask(service, mallory, "ada@example.com")
        await service.commands.run(erase_user, EraseUser(user_id=ada), context())

    scene.when(ada_is_erased_before_the_mail_goes)
    scene.send_due()

    assert scene.letterbox.mails == []


def test_an_address_gets_so_many_mails_however_many_accounts_ask_for_it(scene: Scene) -> None:
    async def many_ask(service: Service) -> None:
        users = await asyncio.gather(*(registered(service, f"user{number}") for number in range(40)))
        for _ in range(3):
            await asyncio.gather(*(ask(service, user_id, "stranger@example.com") for user_id in users))
            scene.send_due()

    scene.when(many_ask)
    scene.send_due()

    mails = [mail for mail in scene.letterbox.mails if mail.recipient == "stranger@example.com"]
    assert 0 < len(mails) <= 5


def test_other_processes_count_the_same_mails(scene: Scene) -> None:
    user_id = scene.when(lambda service: registered(service, "ada"))

    for number in range(4):
        scene.when(partial(ask, user_id=user_id, email=f"stranger{number}@example.com"))

    with pytest.raises(errors.TooManyEmailRequests):
        scene.when(partial(ask, user_id=user_id, email="stranger4@example.com"))


async def ask_as_before_there_were_limits(command: RequestEmailChange, work: UnitOfWork) -> Saved:
    """Record what releases before did."""
    user, claim = await work.target(User, command.user_id), await claim_of(EmailAddress(command.email), work)
    deadline = work.now + work.using(Policy).confirm_within
    user._email_change_requested(EmailAddress(command.email), deadline)
    claim._claimed(user.id, deadline)
    return await work.save(user, claim)


def test_what_was_asked_for_before_there_were_limits_is_mailed(scene: Scene) -> None:
    use_case: UseCase[RequestEmailChange] = ask_as_before_there_were_limits

    async def ask_before(service: Service) -> None:
        wanted = RequestEmailChange(user_id=await registered(service, "ada"), email="wanted@example.com")
        await service.commands.run(use_case, wanted, context())

    scene.when(ask_before)
    scene.send_due()

    assert "wanted@example.com" in [mail.recipient for mail in scene.letterbox.mails]


def test_while_the_key_of_the_claims_is_replaced_each_mail_is_sent_once_and_counted_under_both(town: Town) -> None:
    ada, mallory = (town.in_a(DURING, registering(name)) for name in ("ada", "mallory"))
    token = town.in_a(DURING, asking_for(ada, "first"))
    town.in_a(DURING, asking_for(ada, "wanted"))
    for wanted in ("wanted", "wanted", "ada"):
        town.in_a(DURING, asking_for(mallory, wanted))

    letterbox = Letterbox()
    send_due(town.settings(DURING), town.conninfo, letterbox)

    assert sorted(letterbox.recipients) == ["ada", "wanted"]
    for name, mails in (("ada", 2), ("first", 1), ("wanted", 3)):
        old, new = (town.claim(key, f"{name}@example.com") for key in DURING)
        assert (old.holder, old.reserved_until, old.mailed) == (new.holder, new.reserved_until, new.mailed)
        assert len(new.mailed) == mails
    with pytest.raises(errors.VerificationTokenInvalid):
        town.in_a(DURING, confirming(token))


def test_a_command_has_not_more_facts_than_are_looked_at(town: Town) -> None:
    ada = town.in_a(DURING, registering("ada"))
    town.in_a(DURING, asking_for(ada, "first"))

    town.in_a(DURING, asking_for(ada, "second"))

    with psycopg.connect(town.conninfo) as owner:
        rows = owner.execute("SELECT count(*) FROM log.event GROUP BY command_id").fetchall()
    assert max(count for (count,) in rows) <= COMMAND_LIMIT // 2
