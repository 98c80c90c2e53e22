"""Registering people."""

import asyncio
import unicodedata
from typing import Literal
from uuid import UUID

import httpx
import pytest

from application.actors import Role
from tests.support.api import Api, Caller, a_person, an_address, nothing_recorded, refusal
from tests.support.waiting import PATIENCE_SECONDS


def test_a_registered_person_has_an_account_with_what_they_told(admin: Caller) -> None:
    email = an_address()
    person = a_person(
        email,
        displayName="  Ada  ",
        locale="sv_SE",
        birthDate="1990-12-10",
        explicitContentFilter=True,
        externalId="crm-17",
    )

    registered = admin.post("/v1/users", person)
    user = admin.get(registered.headers["location"])

    assert registered.status_code == 201
    assert registered.headers["etag"] == '"1"'
    assert registered.json()["version"] == 1
    assert registered.headers["log-position"] == str(registered.json()["position"])
    assert registered.headers["location"] == f"/v1/users/{registered.json()['userId']}"
    assert UUID(registered.json()["userId"]).version == 7
    times = {name: user.json().pop(name) for name in ("createdAt", "updatedAt")}
    assert user.json() | times == {
        "id": registered.json()["userId"],
        "version": 1,
        "email": email,
        "emailVerified": False,
        "pendingEmail": None,
        "displayName": "Ada",
        "country": "SE",
        "locale": "sv-SE",
        "birthDate": "1990-12-10",
        "explicitContentFilter": True,
        "externalId": "crm-17",
        "status": "active",
        "consents": {},
        "eraseAfter": None,
        **times,
    }


def test_an_address_that_is_in_use_is_refused(api: Api, admin: Caller) -> None:
    email = an_address()
    api.register(email)

    with nothing_recorded(api):
        problem = refusal(admin.post("/v1/users", a_person(email.upper())), 409, "email_taken")

    assert problem["field"] == "email"
    assert email not in str(problem).lower()


def test_of_fifty_spellings_of_one_address_in_parallel_one_is_registered(api: Api) -> None:
    spellings = [_spelling(number) for number in range(50)]
    persons = [a_person(f"{spelling}@example.com") for spelling in spellings]

    answers = _in_parallel(api, [({}, person) for person in persons])

    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 49
    for answer in answers:
        assert answer.status_code == 201 or refusal(answer, 409, "email_taken")
    found = api.admin.get("/v1/users", params={"email": persons[0]["email"]}, headers=_after(answers)).json()["items"]
    assert [item["id"] for item in found] == [a.json()["userId"] for a in answers if a.status_code == 201]


def test_a_hundred_parallel_repetitions_of_one_registration_are_one_registration_with_one_answer(api: Api) -> None:
    person = a_person()
    before = api.head()

    answers = _in_parallel(api, [({"Idempotency-Key": "one-and-the-same"}, person)] * 100)

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert len({(a.headers["etag"], a.headers["location"], a.headers["log-position"]) for a in answers}) == 1
    assert len(api.changes(after=before)) == 2


@pytest.mark.parametrize(
    ("fact", "value", "code"),
    [
        ("email", "not an address", "email_invalid"),
        ("email", "ada@example.com\x00", "email_invalid"),
        ("displayName", " \t ", "display_name_blank"),
        ("displayName", "x" * 51, "display_name_too_long"),
        ("displayName", "Ada\x00", "display_name_has_control_characters"),
        ("displayName", "Ada\u202e", "display_name_has_control_characters"),
        ("country", "se", "country_unknown"),
        ("country", "XX", "country_unknown"),
        ("locale", "tlh-XX", "locale_unknown"),
        ("birthDate", "2999-01-01", "birth_date_in_future"),
        ("birthDate", "2024-01-01", "too_young"),
        ("externalId", "two words", "external_id_invalid"),
    ],
)
def test_a_value_that_breaks_a_rule_is_refused_by_name(
    api: Api, admin: Caller, fact: str, value: str, code: str
) -> None:
    with nothing_recorded(api):
        problem = refusal(admin.post("/v1/users", a_person() | {fact: value}), 422, code)

    assert (problem["field"], problem["source"]) == (fact, "body")


def test_a_service_may_register_people(api: Api) -> None:
    registered = api.as_(Role.SERVICE, "web").post("/v1/users", a_person())

    assert registered.status_code == 201


def _spelling(number: int) -> str:
    """The same address, in another case and Unicode form."""
    forms: tuple[Literal["NFC", "NFD", "NFKC", "NFKD"], ...] = ("NFC", "NFD", "NFKC", "NFKD")
    letters = "åsa-öberg-of-fifty"
    return unicodedata.normalize(
        forms[number % 4], "".join(c.upper() if number >> i & 1 else c for i, c in enumerate(letters))
    )


def _in_parallel(api: Api, requests: list[tuple[dict[str, str], dict[str, object]]]) -> list[httpx.Response]:
    token = api.admin.token

    async def send_all() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=100)
        async with httpx.AsyncClient(base_url=api.url, limits=limits, timeout=PATIENCE_SECONDS) as http:
            sent = [
                http.post("/v1/users", json=person, headers={"Authorization": f"Bearer {token}", **headers})
                for headers, person in requests
            ]
            return await asyncio.gather(*sent)

    return asyncio.run(send_all())


def _after(answers: list[httpx.Response]) -> dict[str, str]:
    return {"Min-Log-Position": next(a.headers["log-position"] for a in answers if a.status_code == 201)}
