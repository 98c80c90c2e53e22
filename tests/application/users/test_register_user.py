"""Registering: one person, one account, one holder for each address."""

from datetime import date
from typing import Any

import msgspec
import pytest

from application.policy import DAY
from application.privacy.erase_user import EraseUser, erase_user
from application.unit_of_work import Saved
from application.users.emails.confirm_email import ConfirmEmail, confirm_email
from application.users.emails.request_email_change import RequestEmailChange, request_email_change
from application.users.register_user import RegisterUser, register_user
from domain import errors
from domain.limits import Limit
from domain.users import User
from domain.users.email_claim import EmailClaim
from tests.support.in_memory_log import InMemoryLog, OutdatedError
from tests.support.instants import CONFIRM_BY, NOW
from tests.support.scenarios import happened
from tests.support.users import EMAIL, OTHER_EMAIL, a_user_with_a_pending_email, an_active_user

REGISTER = RegisterUser(email=EMAIL, display_name="Ada", country="GB")


def test_registering_records_the_person_and_their_right_to_the_address() -> None:
    log = InMemoryLog()

    saved = log.run(register_user, REGISTER)

    assert log.news() == [
        happened(User.Registered, email=EMAIL, display_name="Ada", country="GB", confirm_by=CONFIRM_BY),
        happened(EmailClaim.Claimed, user_id=saved.aggregate_id, mailed_at=NOW),
    ]
    assert (saved.version, saved.position) == (1, 2)


def test_an_address_that_is_registered_and_erased_many_times_is_mailed_as_often_as_any_other() -> None:
    log = InMemoryLog()

    for _ in range(12):
        registered = log.run(register_user, REGISTER)
        log.run(erase_user, EraseUser(user_id=registered.aggregate_id))

    facts = log.news()
    mailed = [fact for fact in facts if fact.payload.get("mailed_at")]
    waiting = [fact for fact in facts if fact.event == "User.Registered" and fact.payload["confirm_by"]]
    assert (len(mailed), len(waiting)) == (5, 5)


def test_who_was_registered_without_a_mail_can_ask_for_one_later() -> None:
    log = InMemoryLog()
    log.policy = msgspec.structs.replace(log.policy, mails_to_address=Limit(1, DAY))
    log.run(erase_user, EraseUser(user_id=log.run(register_user, REGISTER).aggregate_id))
    user_id = log.run(register_user, REGISTER).aggregate_id
    again = RequestEmailChange(user_id=user_id, email=EMAIL)

    with pytest.raises(errors.TooManyEmailRequests):
        log.run(request_email_change, again)
    log.now += DAY
    log.run(request_email_change, again)
    log.run(confirm_email, ConfirmEmail(token=log.mailed_token(user_id)))

    assert log.user(user_id).email_verified


def test_registering_records_every_fact_in_its_normal_form() -> None:
    log = InMemoryLog()

    log.run(
        register_user,
        RegisterUser(
            email="Ada@EXAMPLE.com",
            display_name="  Ada ",
            country="GB",
            locale="en_GB",
            birth_date=date(2013, 3, 14),
            explicit_content_filter=True,
            external_id="crm-1",
        ),
    )

    assert log.news()[0] == happened(
        User.Registered,
        email="Ada@example.com",
        display_name="Ada",
        country="GB",
        locale="en-GB",
        birth_date=date(2013, 3, 14),
        explicit_content_filter=True,
        external_id="crm-1",
        confirm_by=CONFIRM_BY,
    )


@pytest.mark.parametrize("spelling", ["ada@example.com", "ADA@Example.COM", "\uff41da@example.com"])
def test_an_address_that_is_in_use_is_refused_in_every_spelling(spelling: str) -> None:
    log = InMemoryLog()
    log.has(an_active_user(EMAIL))

    with pytest.raises(errors.EmailTaken):
        log.run(register_user, msgspec.structs.replace(REGISTER, email=spelling))

    assert log.news() == []


def test_an_address_that_somebody_has_merely_reserved_is_refused() -> None:
    log = InMemoryLog()
    log.has(a_user_with_a_pending_email(EMAIL, pending=OTHER_EMAIL))

    with pytest.raises(errors.EmailTaken):
        log.run(register_user, msgspec.structs.replace(REGISTER, email=OTHER_EMAIL))

    assert log.news() == []


def test_of_many_who_register_an_address_at_once_one_gets_it() -> None:
    log = InMemoryLog()

    spellings = [EMAIL, EMAIL.upper()] * 10
    answers = log.run_at_once(
        register_user, [msgspec.structs.replace(REGISTER, email=spelling) for spelling in spellings]
    )

    (saved,) = [answer for answer in answers if isinstance(answer, Saved)]
    assert [type(answer) for answer in answers if answer is not saved] == [OutdatedError] * 19
    assert log.holder(EMAIL) == saved.aggregate_id
    assert log.head == 2


@pytest.mark.parametrize(
    ("fact", "refusal"),
    [
        ({"email": "ada"}, errors.EmailInvalid),
        ({"display_name": " "}, errors.DisplayNameBlank),
        ({"country": "UK"}, errors.CountryUnknown),
        ({"locale": "xx"}, errors.LocaleUnknown),
        ({"birth_date": date(2013, 3, 15)}, errors.TooYoung),
        ({"birth_date": date(2026, 3, 14)}, errors.BirthDateInFuture),
        ({"external_id": ""}, errors.ExternalIdInvalid),
    ],
)
def test_a_fact_that_breaks_a_rule_is_refused(fact: dict[str, Any], refusal: type[errors.DomainError]) -> None:
    log = InMemoryLog()

    with pytest.raises(refusal):
        log.run(register_user, msgspec.structs.replace(REGISTER, **fact))

    assert log.news() == []


@pytest.mark.parametrize("field", ["verified", "emailVerified", "status", "id", "userId", "display_name", "confirmBy"])
def test_what_only_the_service_decides_cannot_be_sent(field: str) -> None:
    body = {"email": EMAIL, "displayName": "Ada", "country": "GB", field: True}

    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.convert(body, RegisterUser)
