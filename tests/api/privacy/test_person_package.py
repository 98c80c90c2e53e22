"""A person's package: everything that is held about them and nothing about others, as of one moment, for a while."""

import io
import json
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote
from zipfile import ZipFile

import httpx
import jsonschema_rs
import pytest

from application.actors import Role
from tests.support.api import Api, Caller, an_address, refusal
from tests.support.waiting import eventually


def package_in(answer: httpx.Response) -> dict[str, bytes]:
    assert answer.status_code == 200, answer.text
    with ZipFile(io.BytesIO(answer.content)) as package:
        return {name: package.read(name) for name in package.namelist()}


def exported(api: Api, user_id: str, caller: Caller | None = None) -> dict[str, bytes]:
    """The package, by the link, without a token."""
    link = (caller or api.admin).post(f"/v1/users/{user_id}/export").json()["url"]
    answer = api.with_token(None).get(link)
    return package_in(answer)


def document(package: dict[str, bytes], name: str) -> Any:
    return json.loads(package[name])


@pytest.fixture
def lived(api: Api) -> str:
    """Somebody with a past."""
    user_id = api.user_id(displayName="Zoë <script>alert(1)</script>", birthDate="1990-12-10", externalId="crm-1")
    admin = api.admin
    admin.put(f"/v1/users/{user_id}/consents/ads", {"granted": True, "documentVersion": "2026-01"})
    admin.put(f"/v1/users/{user_id}/consents/ads", {"granted": False, "documentVersion": "2026-02"})
    api.as_(Role.SUPPORT, "dave").post(f"/v1/users/{user_id}/suspension", {"reason": "Chargeback of March"})
    return user_id


def test_the_package_holds_the_profile_the_consents_and_everything_that_was_done(api: Api, lived: str) -> None:
    package = exported(api, lived)

    profile, consents = document(package, "profile.json"), document(package, "consents.json")
    timeline = document(package, "timeline.json")
    assert profile == api.admin.get(f"/v1/users/{lived}").json()
    assert [(c["purpose"], c["granted"], c["documentVersion"]) for c in consents] == [
        ("ads", True, "2026-01"),
        ("ads", False, "2026-02"),
    ]
    assert [fact["topic"] for fact in timeline] == [
        "user.registered",
        "user.consent_granted",
        "user.consent_withdrawn",
        "user.suspended",
        "data_export.requested",
    ]
    assert timeline[3]["data"] == {"reason": "Chargeback of March"}


def test_staff_are_named_by_their_role_and_other_people_not_at_all(api: Api, lived: str) -> None:
    api.user_id(other := an_address())
    registered = datetime.fromisoformat(api.admin.get(f"/v1/users/{lived}").json()["createdAt"])
    since = quote((registered - timedelta(seconds=1)).isoformat())  # others may have filled the first pages of all
    listed = f"/v1/users?limit=200&createdAfter={since}"
    api.as_(Role.SUPPORT, "dave").get(listed, headers={"Min-Log-Position": str(api.head())})
    api.as_(Role.SUPPORT, "dave").get(f"/v1/users/{lived}", headers={"Reprise-Purpose": "TICKET-7"})
    eventually(lambda: recorded_readings(api, lived) >= 2, "the access records")

    package = exported(api, lived)

    readings = document(package, "accesses.json")
    assert {(r["reading"], r["by"]) for r in readings} >= {("list", "support"), ("profile", "support")}
    assert "TICKET-7" in {r["purpose"] for r in readings}
    everything = b"".join(package.values()).decode()
    assert "dave" not in everything
    assert other not in everything
    assert all(set(r) == {"recordedAt", "firstAt", "reading", "by", "purpose"} for r in readings)


def recorded_readings(api: Api, user_id: str) -> int:
    return len(api.admin.get(f"/v1/audit/accesses?user={user_id}").json()["items"])


def test_every_file_keeps_to_its_schema(api: Api, lived: str) -> None:
    package = exported(api, lived)

    described = document(package, "package.json")
    assert set(described["files"]) == {"profile.json", "consents.json", "timeline.json", "accesses.json"}
    for file, schema in described["files"].items():
        jsonschema_rs.validator_for(document(package, schema)).validate(document(package, file))
    assert set(package) == {"index.html", "package.json", *described["files"], *described["files"].values()}


def test_the_page_shows_it_all_and_takes_nothing_for_markup_or_from_elsewhere(api: Api, lived: str) -> None:
    page = exported(api, lived)["index.html"].decode()

    seen = Seen()
    seen.feed(page)
    assert "Zoë <script>alert(1)</script>" in seen.text
    assert {"Chargeback of March", "2026-02", "crm-1"} <= {part.removeprefix("reason: ") for part in seen.parts}
    assert "script" not in seen.tags
    assert seen.addresses == {"profile.json", "consents.json", "timeline.json", "accesses.json"}


class Seen(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.tags: set[str] = set()
        self.addresses: set[str] = set()

    @property
    def text(self) -> str:
        return "".join(self.parts)

    def handle_data(self, data: str) -> None:
        self.parts.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses |= {value for name, value in attrs if name in {"href", "src"} and value}


def test_whenever_it_is_downloaded_the_package_is_as_of_the_request(api: Api, lived: str) -> None:
    link = api.admin.post(f"/v1/users/{lived}/export").json()["url"]
    first = package_in(api.with_token(None).get(link))
    api.admin.delete(f"/v1/users/{lived}/suspension", json={"reason": "Appeal"})
    api.admin.patch(f"/v1/users/{lived}", {"displayName": "Somebody else"})

    second = package_in(api.with_token(None).get(link))

    assert second == first


def test_a_history_of_several_pages_is_there_whole_and_once(api: Api) -> None:
    user_id = api.user_id()
    for number in range(420):
        consent = {"granted": number % 2 == 0, "documentVersion": str(number)}
        assert api.admin.put(f"/v1/users/{user_id}/consents/ads", consent).is_success

    package = exported(api, user_id)

    assert [c["documentVersion"] for c in document(package, "consents.json")] == [str(n) for n in range(420)]
    assert len(document(package, "timeline.json")) == 422


def test_asking_goes_on_record_and_changes_nothing_about_the_account(api: Api, lived: str) -> None:
    version = api.admin.get(f"/v1/users/{lived}").json()["version"]

    asked = api.as_(Role.USER, lived).post(f"/v1/users/{lived}/export", headers={"Reprise-Reason": "I want it"})

    fact = api.admin.get(
        f"/v1/users/{lived}/events?limit=200", headers={"Min-Log-Position": asked.headers["log-position"]}
    ).json()["items"][-1]
    assert (fact["topic"], fact["actor"], fact["position"]) == (
        "data_export.requested",
        f"user:{lived}",
        asked.json()["position"],
    )
    assert api.admin.get(f"/v1/users/{lived}").json()["version"] == version


def test_a_repeated_request_gets_the_same_link(api: Api, lived: str) -> None:
    key = {"Idempotency-Key": f"export-{lived}"}

    first, second = (api.admin.post(f"/v1/users/{lived}/export", headers=key) for _ in range(2))

    assert first.status_code == second.status_code == 201
    assert first.json() == second.json()
    assert first.headers["location"] == first.json()["url"]


def test_a_link_is_good_for_a_day(api: Api, lived: str) -> None:
    asked = api.admin.post(f"/v1/users/{lived}/export").json()

    hours = (datetime.fromisoformat(asked["goodUntil"]) - datetime.now(UTC)).total_seconds() / 3600
    assert 23.9 < hours <= 24


@pytest.mark.parametrize(
    "spoil",
    [
        lambda token: token[:-4],
        lambda token: token[:-1] + ("A" if token[-1] != "A" else "B"),
        lambda token: "B" + token[1:],
        lambda _: "",
        lambda _: "nonsense",
        lambda _: "\u00e9",
        lambda token: token + token,
    ],
    ids=range(7),
)
def test_a_link_that_was_not_given_out_leads_nowhere(api: Api, lived: str, spoil: Any) -> None:
    link = httpx.URL(api.admin.post(f"/v1/users/{lived}/export").json()["url"])
    token = spoil(link.params["token"])

    answer = api.with_token(None).get(f"/v1/users/{lived}/export", params={"token": token})

    assert answer.json()["code"] in {"export_link_invalid", "parameter_invalid"}
    assert answer.status_code in {404, 400}


def test_a_link_is_good_for_the_person_it_was_made_for_only(api: Api, lived: str) -> None:
    link = api.admin.post(f"/v1/users/{lived}/export").json()["url"]

    refusal(api.with_token(None).get(link.replace(lived, api.user_id())), 404, "export_link_invalid")


def test_a_closed_account_can_still_ask(api: Api, lived: str) -> None:
    api.admin.post(f"/v1/users/{lived}/deletion")

    assert document(exported(api, lived), "profile.json")["status"] == "deletion_requested"


def test_erasing_somebody_ends_their_exports(api: Api, lived: str) -> None:
    link = api.admin.post(f"/v1/users/{lived}/export").json()["url"]
    assert api.admin.post(f"/v1/users/{lived}/erasure", {"reason": "Case 17"}).is_success

    refusal(api.with_token(None).get(link), 410, "user_is_erased")
    refusal(api.admin.post(f"/v1/users/{lived}/export"), 410, "user_is_erased")


def test_who_does_not_exist_has_no_package(api: Api) -> None:
    nobody = "0190c0de-0000-7000-8000-00000000dead"

    refusal(api.admin.post(f"/v1/users/{nobody}/export"), 404, "user_not_found")
