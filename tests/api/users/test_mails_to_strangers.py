"""People who ask for addresses that are not theirs: they learn nothing, and have few mails sent."""

import json
import re
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any
from uuid import uuid4

import httpx
import pytest
from joserfc import jwt

from application.actors import Role
from infrastructure.tokens.keys import Algorithms
from tests.support.api import Api, Caller, an_address, refusal
from tests.support.mail_scene import Letterbox, send_due
from tests.support.running import follow_to_head

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]+Z")


class Person:
    """Somebody with a verified address of their own."""

    def __init__(self, api: Api) -> None:
        self.id = api.user_id()
        self.path = f"/v1/users/{self.id}"
        self.caller = api.as_(Role.USER, self.id)

    def asks_for(self, email: str, **headers: str) -> httpx.Response:
        return self.caller.post(f"{self.path}/email-change", {"email": email}, headers=headers)


def acting(api: Api, role: Role, subject: str, acting_role: Role) -> Caller:
    """Somebody who acts with the permission of somebody else (RFC 8693)."""
    key, now = api.issuer._key_file.key(), int(time.time())
    claims = {
        "iss": api.settings.issuer,
        "aud": api.settings.audience,
        "sub": subject,
        "role": role.value,
        "iat": now,
        "exp": now + 600,
        "jti": str(uuid4()),
        "act": {"sub": "dave", "role": acting_role.value},
    }
    header = {"alg": "EdDSA", "typ": "at+jwt", "kid": key.kid}
    return api.with_token(jwt.encode(header, claims, key, registry=Algorithms()))


def vacant(_: Api, __: str) -> None:
    """Nobody ever had it."""


def held(api: Api, email: str) -> None:
    api.user_id(email)


def reserved(api: Api, email: str) -> None:
    assert Person(api).asks_for(email).status_code == 200


def erased(api: Api, email: str) -> None:
    api.admin.post(f"/v1/users/{api.user_id(email)}/erasure", {"reason": "Case 1"})


def mailed_often(api: Api, email: str) -> None:
    for _ in range(7):
        reserved(api, email)


def held_and_mailed_often(api: Api, email: str) -> None:
    held(api, email)
    mailed_often(api, email)


STATES: tuple[Callable[[Api, str], None], ...] = (vacant, held, reserved, erased, mailed_often, held_and_mailed_often)


def test_what_people_see_is_alike_octet_by_octet_whatever_has_become_of_an_address(own_api: Api) -> None:
    seen = {}
    for state in STATES:
        wanted = f"{state.__name__.replace('_', '-'):-<30}@example.com"
        state(own_api, wanted)
        seen[state.__name__] = all_that_is_seen(own_api, Person(own_api), wanted)

    assert {name: found for name, found in seen.items() if found != seen["vacant"]} == {}


def all_that_is_seen(api: Api, person: Person, wanted: str) -> list[Any]:
    """Each answer to somebody who asks for an address, again, under a key, for another one, and for none."""
    first = person.caller.get(person.path).json()["email"]
    answers, positions = [], []
    for email, key in ((wanted, "a"), (wanted, "a"), (wanted, "b"), ("another@example.com", "c"), (first, "d")):
        answers.append(person.asks_for(email, **{"Idempotency-Key": key}))
        positions.append(answers[-1].json()["position"])
        answers.append(person.caller.get(person.path))
        answers.append(api.with_token(None).post("/v1/email-verifications", {"token": "made-up"}))
    answers.append(person.asks_for(wanted, **{"If-Match": '"1"'}))
    follow_to_head(api.conninfo)
    answers.append(person.caller.get(f"{person.path}/events"))
    answers.append(person.caller.get(f"{person.path}/diff?from=1"))
    steps = [later - earlier for earlier, later in pairwise(positions)]
    return [steps, *(_comparable(answer, person, wanted, first) for answer in answers)]


def _comparable(answer: httpx.Response, person: Person, *addresses: str) -> tuple[Any, ...]:
    """An answer without what differs between any two people: ids, addresses, instants and positions."""
    text = _INSTANT.sub("INSTANT", answer.text).replace(person.id, "ID")
    for number, address in enumerate(addresses):
        text = text.replace(address, f"ADDRESS {number}")
    text = re.sub(r'"(position|commandId|correlationId|streamId)":("[^"]*"|\d+)', r'"\1":0', text)
    headers = {name: value for name, value in answer.headers.items() if name not in {"date", "log-position"}}
    headers["content-length"] = str(len(text))
    return answer.status_code, headers, text


def test_the_timeline_that_people_see_has_nothing_of_addresses_but_what_they_asked_for(own_api: Api) -> None:
    person = Person(own_api)
    person.asks_for(an_address())
    follow_to_head(own_api.conninfo)

    topics = [item["topic"] for item in person.caller.get(f"{person.path}/events").json()["items"]]
    known = [item["topic"] for item in own_api.admin.get(f"{person.path}/events").json()["items"]]

    assert topics == ["user.registered", "user.email_change_requested"]
    assert {"email_claim.claimed"} <= set(known)


@pytest.mark.parametrize("state", [held, reserved])
def test_staff_and_services_are_told_that_an_address_is_in_use(api: Api, state: Callable[[Api, str], None]) -> None:
    user, wanted = f"/v1/users/{api.user_id()}", an_address()
    state(api, wanted)

    for role in (Role.ADMIN, Role.SERVICE):
        refusal(api.as_(role).post(f"{user}/email-change", {"email": wanted}), 409, "email_taken")


def test_whose_permission_is_used_decides_who_is_told(api: Api) -> None:
    person, wanted = Person(api), an_address()
    held(api, wanted)

    as_person = acting(api, Role.USER, person.id, Role.SUPPORT).post(f"{person.path}/email-change", {"email": wanted})
    as_staff = acting(api, Role.ADMIN, "root", Role.SERVICE).post(f"{person.path}/email-change", {"email": wanted})

    assert as_person.status_code == 200
    refusal(as_staff, 409, "email_taken")


def test_who_asks_too_often_is_told_when_to_ask_again(api: Api) -> None:
    person = Person(api)
    for _ in range(4):
        assert person.asks_for(an_address()).status_code == 200

    refused = person.asks_for(an_address())

    refusal(refused, 429, "too_many_email_requests")
    assert 86_000 < int(refused.headers["retry-after"]) <= 86_400


@pytest.mark.parametrize(("accounts", "most"), [(1, 4), (40, 5)])
def test_120_requests_for_a_strangers_address_have_few_mails_sent(own_api: Api, accounts: int, most: int) -> None:
    people, stranger, letterbox = [Person(own_api) for _ in range(accounts)], an_address(), Letterbox()

    statuses = []
    for number in range(120):
        statuses.append(people[number % accounts].asks_for(stranger).status_code)
        if number % 12 == 0:
            send_due(own_api.settings, own_api.conninfo, letterbox)
    send_due(own_api.settings, own_api.conninfo, letterbox)

    mails = [mail for mail in letterbox.mails if mail.recipient == stranger]
    assert 0 < len(mails) <= most
    assert set(statuses) == ({200, 429} if accounts == 1 else {200})


def test_people_who_ask_for_one_address_all_see_it_as_what_they_asked_for(api: Api) -> None:
    people, wanted = [Person(api) for _ in range(6)], an_address()

    answers = [person.asks_for(wanted) for person in people]

    assert {answer.status_code for answer in answers} == {200}
    assert {json.loads(person.caller.get(person.path).text)["pendingEmail"] for person in people} == {wanted}
