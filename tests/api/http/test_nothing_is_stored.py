"""No cache, shared or of a browser, keeps an answer about people (RFC 9111 section 5.2.2.5)."""

from typing import Any

import httpx
import pytest

from api.openapi.document import operations
from tests.support.api import Api, an_address, litestar_app
from tests.support.every_request import Sample, every_request

DOCUMENTS = {"/docs", "/docs/reference.css", "/docs/reference.js", "/docs/reference.svg", "/schema/openapi.json"}
"""What says nothing of anybody, and may be kept if it is asked for again each time."""
SAMPLES = {sample.operation: sample for sample in every_request()}
WITH_PEOPLE = {
    "".join(word.capitalize() if n else word for n, word in enumerate(o.handler.handler_name.split("_")))
    for o in operations(litestar_app().routes)
    if "reads" in o.handler.opt
}


def content_of(sample: Sample) -> Any:
    """The content, with an address that nobody has where one is asked for."""
    has_address = isinstance(sample.content, dict) and "email" in sample.content
    return sample.content | {"email": an_address()} if has_address else sample.content


def sent(api: Api, sample: Sample, method: str | None = None) -> httpx.Response:
    address = sample.address(api.user_id())
    answer: httpx.Response = api.admin(method or sample.method, address, params=sample.query, json=content_of(sample))
    return answer


@pytest.mark.parametrize("operation", SAMPLES)
def test_no_answer_may_be_stored(api: Api, operation: str) -> None:
    sample = SAMPLES[operation]

    answers = [sent(api, sample)] + ([sent(api, sample, "HEAD")] if sample.method == "GET" else [])
    answers += [api.with_token(None)(sample.method, sample.address("none"), json=sample.content)]

    assert operation not in WITH_PEOPLE or answers[0].is_success
    assert {answer.headers["cache-control"] for answer in answers} == {"no-store"}


def test_no_package_of_a_person_may_be_stored(api: Api) -> None:
    link = api.admin.post(f"/v1/users/{api.user_id()}/export").json()["url"]

    packages = [api.with_token(None)(method, link) for method in ("GET", "HEAD")]

    assert {package.headers["content-type"] for package in packages} == {"application/zip"}
    assert {package.headers["cache-control"] for package in packages} == {"no-store"}


def test_what_a_client_has_itself_it_need_not_be_sent_again(api: Api) -> None:
    registered = api.register()
    user, version = registered.headers["location"], registered.headers["etag"]

    known = api.admin.get(user, headers={"If-None-Match": version})

    assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", version)
    assert known.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", sorted(DOCUMENTS))
def test_documents_are_kept_only_to_be_asked_for_again(api: Api, path: str) -> None:
    assert api.with_token(None).get(path).headers["cache-control"] == "no-cache"
