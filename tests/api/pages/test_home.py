"""The address of the service itself: a page for people, JSON for programs."""

from typing import Any

import pytest

from infrastructure.release import this_release
from tests.support.api import Api, refusal

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


def test_a_program_is_told_what_is_here(api: Api) -> None:
    answer = api.with_token(None).get("/")
    told: dict[str, Any] = answer.json()

    assert answer.headers["content-type"] == "application/json"
    release = this_release()
    assert (told["name"], told["version"], told["build"]) == ("Reprise", release.version, release.build)
    assert {"documentation", "openapi", "health", "readiness"} <= set(told["links"])


def test_a_browser_is_shown_the_same_as_a_page(api: Api) -> None:
    anybody = api.with_token(None)
    page = anybody.get("/", headers={"Accept": BROWSER})

    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert '<html lang="en">' in page.text
    assert f"version {this_release()}:" in page.text
    for address in anybody.get("/").json()["links"].values():
        assert f'href="{address}"' in page.text


def test_whatever_is_named_is_there(api: Api) -> None:
    anybody = api.with_token(None)

    for name, address in anybody.get("/").json()["links"].items():
        assert anybody.get(address).status_code == 200, name


@pytest.mark.parametrize(
    "accepted", ["", "*/*", "application/json", "application/json, text/html", "text/html;q=0.5, */*"]
)
def test_json_is_what_there_is_unless_a_page_is_wanted_more(api: Api, accepted: str) -> None:
    answer = api.with_token(None).get("/", headers={"Accept": accepted})

    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["vary"] == "Accept"


def test_other_forms_are_refused(api: Api) -> None:
    problem = refusal(api.with_token(None).get("/", headers={"Accept": "image/png"}), 406, "not_acceptable")

    assert (problem["field"], problem["source"]) == ("Accept", "header")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_it_is_for_reading_only(api: Api, method: str) -> None:
    refusal(api.with_token(None)(method, "/"), 405, "method_not_allowed")
