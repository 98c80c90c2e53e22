"""Media types of content and of answers: what is taken, what is preferred, what parameters mean."""

import pytest

from api.http.content_negotiation import preferred
from tests.support.api import Api, Caller, a_person, nothing_recorded, refusal

JSON, HTML, CSV = b"application/json", b"text/html", b"text/csv"
TAKEN = (
    "application/json",
    "Application/JSON",
    "application/json; charset=utf-8",
    "application/json;charset=utf8",
    "application/json; charset=UTF8",
    'application/json;charset="UTF-8"',
    'application/json; charset="utf\\-8"',
    "application/json;version=1",
    'application/json; profile="a, b; c"',
    "application/json;",
    "application/json ; ; CHARSET=utf-8",
    "application/json; charset=utf-8; charset=UTF-8",
    "application/json\t;\tindent=2",
)
OTHERS = (
    "",
    "text/plain",
    "text/json",
    "application/x-www-form-urlencoded",
    "application/jsonp",
    "application/vnd.api+json",
    "application/merge-patch+json",
    "application",
    "application/json charset=utf-8",
    "application/json; charset",
    "application/json; charset=",
    "application/json; charset = utf-8",
    'application/json; profile="open',
    "application/json, application/json",
    "application/json/json",
)
OTHER_CHARSETS = ("latin-1", "ISO-8859-1", '"utf-16"', "utf-8-sig", "us-ascii", "windows-1252", '""')


@pytest.mark.parametrize("content_type", TAKEN)
def test_parameters_of_json_say_nothing(admin: Caller, content_type: str) -> None:
    answer = admin.post("/v1/users", a_person(), headers={"Content-Type": content_type})

    assert answer.status_code == 201


@pytest.mark.parametrize("content_type", OTHERS)
def test_content_of_another_type_is_refused(api: Api, admin: Caller, content_type: str) -> None:
    with nothing_recorded(api):
        answer = admin.post("/v1/users", a_person(), headers={"Content-Type": content_type})

    problem = refusal(answer, 415, "content_type_unsupported")
    assert (problem["field"], problem["source"]) == ("Content-Type", "header")
    assert problem["detail"] == "The content must be application/json."


@pytest.mark.parametrize("charset", OTHER_CHARSETS)
def test_a_charset_other_than_utf_8_is_refused_by_name(api: Api, admin: Caller, charset: str) -> None:
    content_type = f"application/json; charset=utf-8; charset={charset}"

    with nothing_recorded(api):
        answer = admin.post("/v1/users", a_person(), headers={"Content-Type": content_type})

    problem = refusal(answer, 415, "content_type_unsupported")
    assert (problem["field"], problem["source"]) == ("Content-Type", "header")
    assert "charset" in problem["detail"]


def test_a_patch_says_what_it_takes(api: Api, admin: Caller) -> None:
    user = f"/v1/users/{api.user_id()}"

    refused = admin.patch(user, {"country": "NO"}, headers={"Content-Type": "application/json-patch+json"})
    options = admin("OPTIONS", user)

    refusal(refused, 415, "content_type_unsupported")
    for answer in (refused, options):
        assert answer.headers["accept-patch"] == "application/merge-patch+json, application/json"


@pytest.mark.parametrize("path", ["/v1/users", "/v1/users/x/suspension", "/healthz", "/confirm-email", "/"])
def test_what_has_no_patch_takes_none(admin: Caller, path: str) -> None:
    answer = admin("OPTIONS", path)

    assert answer.status_code == 204
    assert "PATCH" not in answer.headers["allow"]
    assert "accept-patch" not in answer.headers


@pytest.mark.parametrize("coding", ["identity", "Identity", "identity,", "", "identity, identity"])
def test_content_that_is_not_encoded_is_taken(admin: Caller, coding: str) -> None:
    assert admin.post("/v1/users", a_person(), headers={"Content-Encoding": coding}).status_code == 201


@pytest.mark.parametrize("coding", ["gzip", "identity, gzip", "br,", "x"])
def test_content_that_is_encoded_is_refused_by_name(api: Api, admin: Caller, coding: str) -> None:
    with nothing_recorded(api):
        answer = admin.post("/v1/users", a_person(), headers={"Content-Encoding": coding})

    problem = refusal(answer, 415, "content_type_unsupported")
    assert (problem["field"], problem["source"]) == ("Content-Encoding", "header")
    assert answer.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("accepted", "wanted"),
    [
        (None, JSON),
        (b"", JSON),
        (b" , ,", JSON),
        (b"*/*", JSON),
        (b"text/html", HTML),
        (b"text/html,", HTML),
        (b",text/html ;q=0.5,, */*;q=0.1", HTML),
        (b"TEXT/HTML;Q=0.9, application/json;q=0.8", HTML),
        (b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", HTML),
        (b"application/json;q=0, */*", HTML),
        (b"text/*, application/json;q=0.9", HTML),
        (b'application/json;x="a,text/html";q=0.5, text/html;q=0.4', JSON),
        (b'text/html;x="\\",', HTML),
        (b"text/html;q=0", None),
        (b"text/html;q=0., application/json;q=0.000", None),
        (b"image/png", None),
        (b"text/html;q=nan, application/json;q=inf", JSON),
        (b"text/html;q=-1, application/json", JSON),
    ],
)
def test_the_type_that_is_wanted_most_is_preferred(accepted: bytes | None, wanted: bytes | None) -> None:
    assert preferred(accepted, (JSON, HTML)) == wanted


def test_a_list_that_is_meant_to_take_long_does_not() -> None:
    assert preferred(b'"\\' * 16_000, (CSV,)) is None
