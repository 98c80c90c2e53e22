"""The mails that ask people to confirm an address: each is sent, for what still matters, and its token works."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from application.imports.import_person import ImportPerson, import_person
from application.mailing import MailRefusedError
from application.ports import Service
from application.users.change_profile import ChangeProfile, ProfilePatch, change_profile
from application.users.emails.confirm_email import ConfirmEmail, confirm_email
from application.users.emails.request_email_change import RequestEmailChange, request_email_change
from application.users.register_user import register_user
from domain import errors
from tests.support.mail_scene import Scene, token_in
from tests.support.running import context, registration


@pytest.fixture
def scene(database: str, home: Path) -> Scene:
    return Scene(database, home)


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


def test_a_mail_that_could_not_be_handed_over_is_sent_later_and_the_ones_before_it_are_not_sent_again(
    scene: Scene,
) -> None:
    scene.registered("ada", "bob", "eve")
    scene.letterbox.out_of_order_after = 2
    with pytest.raises(OSError):  # noqa: PT011 - the port promises no more than this kind
        scene.send_due()
    scene.letterbox.out_of_order_after = None

    scene.send_due()

    assert scene.letterbox.recipients == ["ada", "bob", "eve"]
    assert len({mail.id for mail in scene.letterbox.mails}) == 3


def test_a_recipient_who_is_refused_for_good_stops_nobody_and_is_not_tried_again(scene: Scene) -> None:
    scene.registered("ada", "bob", "eve")
    scene.letterbox.refusals["bob@example.com"] = MailRefusedError("SMTP 550", for_good=True)

    scene.send_due()
    scene.send_due()

    assert scene.letterbox.recipients == ["ada", "eve"]
    assert scene.undelivered() == [("SMTP 550", 1, None)]


def test_a_recipient_who_is_refused_for_now_stops_nobody_and_is_tried_again_later(scene: Scene) -> None:
    scene.registered("ada", "bob")
    scene.letterbox.refusals["ada@example.com"] = MailRefusedError("SMTP 450", for_good=False)
    scene.send_due()
    scene.send_due()
    once = scene.undelivered()

    scene.let_the_next_attempt_come()
    scene.send_due()
    twice = scene.undelivered()
    scene.letterbox.refusals.clear()
    scene.let_the_next_attempt_come()
    scene.send_due()

    assert (once, twice) == ([("SMTP 450", 1, True)], [("SMTP 450", 2, True)])
    assert (scene.letterbox.recipients, scene.undelivered()) == (["bob", "ada"], [])


def test_each_attempt_waits_longer_but_never_for_ever(scene: Scene) -> None:
    scene.registered("ada")
    scene.letterbox.refusals["ada@example.com"] = MailRefusedError("SMTP 450", for_good=False)

    pauses = []
    for _ in range(12):
        scene.send_due()
        pauses.append(scene.pause())
        scene.let_the_next_attempt_come()

    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 240, 240, 240, 240]


def test_a_mail_whose_link_would_have_run_out_is_not_sent(scene: Scene) -> None:
    scene.registered("ada", within_hours="0")

    scene.send_due()

    assert (scene.letterbox.mails, scene.undelivered()) == ([], [])


@pytest.mark.parametrize("topic", ["user.registered", "user.display_name_changed"])
def test_an_event_that_cannot_be_read_stops_nobody_else_s_mail(scene: Scene, topic: str) -> None:
    async def bob_registers_and_goes_by_another_name(service: Service) -> None:
        bob = (await service.commands.run(register_user, registration("bob"), context())).aggregate_id
        patch = ProfilePatch(display_name="Robert")
        await service.commands.run(change_profile, ChangeProfile(user_id=bob, patch=patch), context())

    scene.registered("ada")
    scene.when(bob_registers_and_goes_by_another_name)
    scene.break_newest(topic)
    scene.registered("eve")

    scene.send_due()
    put_aside = scene.undelivered()
    scene.mend()
    scene.let_the_next_attempt_come()
    scene.send_due()

    assert put_aside == [("UndecodableEventError", 1, True)]
    assert scene.letterbox.recipients == ["ada", "eve", "bob"]


def test_two_workers_send_each_mail_once(scene: Scene) -> None:
    scene.registered(*(f"user{number}" for number in range(40)))

    with ThreadPoolExecutor(4) as pool:
        for outcome in [pool.submit(scene.send_due) for _ in range(4)]:
            outcome.result()
    scene.send_due()

    assert sorted(scene.letterbox.recipients) == sorted(f"user{number}" for number in range(40))
