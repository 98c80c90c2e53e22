"""Who has an address is answered from the log: at once, and though no read model is followed at all."""

import uuid
from typing import Any

import pytest

from application.actors import Role
from tests.support.api import Api, Caller, a_person, an_address, refusal


def found_by(caller: Caller, email: str, **filters: Any) -> list[dict[str, Any]]:
    answer = caller.get("/v1/users", params={"email": email, **filters})
    assert answer.status_code == 200, answer.text
    assert answer.json()["nextCursor"] is None
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


@pytest.mark.parametrize(
    ("registered", "spelling"),
    [
        ("ada.{}@example.com", "ADA.{}@Example.COM"),
        ("J\u00f6rg.{}@example.com", "jo\u0308rg.{}@example.com"),
        ("ada.{}@xn--dme-sna.se", "ada.{}@D\u00d6ME.se"),
        ("ada.{}@fa\u00df.de", "ada.{}@xn--fa-hia.de"),
        ("ada+x.{}@example.com", "ada+x.{}@example.com"),
    ],
)
def test_somebody_is_found_by_any_spelling_right_after_the_registration(
    own_api: Api, registered: str, spelling: str
) -> None:
    tag = uuid.uuid4().hex
    saved = own_api.register(registered.format(tag))

    (item,) = found_by(own_api.admin, spelling.format(tag))

    user = own_api.admin.get(saved.headers["location"]).json()
    assert item == {name: user[name] for name in item}


def test_the_answer_reflects_the_log_as_it_is(own_api: Api) -> None:
    saved = own_api.register(email := an_address())

    for email_asked in (email, an_address()):
        answer = own_api.admin.get("/v1/users", params={"email": email_asked})
        assert int(answer.headers["log-position"]) >= saved.json()["position"]
        demanded = {"Min-Log-Position": str(saved.json()["position"])}
        assert own_api.admin.get("/v1/users", params={"email": email_asked}, headers=demanded).status_code == 200
        refusal(
            own_api.admin.get("/v1/users", params={"email": email_asked}, headers={"Min-Log-Position": "1000000"}),
            400,
            "position_unknown",
        )


@pytest.mark.parametrize("state", ["suspension", "deactivation", "deletion"])
def test_closed_accounts_are_found_as_such(own_api: Api, state: str) -> None:
    saved = own_api.register(email := an_address())
    own_api.admin.post(f"{saved.headers['location']}/{state}", {"reason": "Spam"} if state == "suspension" else None)

    (item,) = found_by(own_api.admin, email)

    assert item["status"] == {"suspension": "suspended", "deactivation": "deactivated"}.get(state, "deletion_requested")


def test_nobody_who_is_erased_is_found_nor_anything_of_them(own_api: Api) -> None:
    for email in (an_address(), f"j\u00f6rg.{uuid.uuid4().hex}@example.com"):
        saved = own_api.register(email)
        own_api.admin.post(f"{saved.headers['location']}/erasure", {"reason": "CASE-1"})

        assert found_by(own_api.admin, email) == []
        again = own_api.register(email)
        assert [item["id"] for item in found_by(own_api.admin, email)] == [again.json()["userId"]]


def test_an_address_that_is_asked_for_is_nobody_s_until_it_is_confirmed(api: Api, admin: Caller) -> None:
    saved = api.register(old := an_address())
    admin.post(f"{saved.headers['location']}/email-change", {"email": (new := an_address())})

    assert [len(found_by(admin, email)) for email in (old, new)] == [1, 0]

    admin.post("/v1/email-verifications", {"token": api.mailed_token(new)})

    assert [len(found_by(admin, email)) for email in (old, new)] == [0, 1]
    assert found_by(admin, new)[0]["emailVerified"] is True


def test_all_other_filters_must_hold_too(own_api: Api) -> None:
    person = a_person(displayName="Zo\u00eb Quist", country="FI", externalId="crm-9")
    saved = own_api.admin.post("/v1/users", person)
    created_at = own_api.admin.get(saved.headers["location"]).json()["createdAt"]
    matching = {
        "country": "FI",
        "status": "active",
        "q": "qui zoe",
        "externalId": "crm-9",
        "createdAfter": "2020-01-01T00:00:00Z",
    }
    other = {"country": "SE", "status": "suspended", "q": "ada", "externalId": "crm-8", "createdAfter": created_at}

    assert len(found_by(own_api.admin, person["email"], **matching)) == 1
    assert len(found_by(own_api.admin, person["email"], q=person["email"][:12])) == 1
    for name, value in other.items():
        assert found_by(own_api.admin, person["email"], **{name: value}) == [], name


def test_who_may_not_list_people_may_not_look_for_an_address(own_api: Api) -> None:
    user_id = own_api.user_id(email := an_address())

    refusal(own_api.as_(Role.USER, user_id).get(f"/v1/users?email={email}"), 403, "permission_denied")


def test_finding_somebody_by_address_goes_on_record(api: Api, admin: Caller) -> None:
    user_id = api.user_id(email := an_address())
    support = api.as_(Role.SUPPORT, uuid.uuid4().hex)

    found_by(support, email)

    api.head()
    listed = admin.get("/v1/audit/accesses", params={"user": user_id}, headers={"Min-Log-Position": str(api.head())})
    assert [record["reading"] for record in listed.json()["items"]] == ["list"]
