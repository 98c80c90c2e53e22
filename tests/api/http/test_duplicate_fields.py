"""A field that is there twice could mean either of two things (RFC 8259 section 4): it is refused, and named."""

import json
from typing import Any

import msgspec
import pytest

from api.http.json_content import ContentForm, decode
from api.http.problems import Refused
from tests.support.api import Api, Caller, nothing_recorded, refusal
from tests.support.every_request import Sample, every_request

SECRET = "zq7 personal value"
WITH_CONTENT = {sample.operation: sample for sample in every_request() if sample.fields}
JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize("operation", WITH_CONTENT)
def test_no_operation_takes_a_field_twice(api: Api, operation: str) -> None:
    sample = WITH_CONTENT[operation]
    address = sample.address(api.user_id())

    with nothing_recorded(api):
        for field in sample.content:
            for spelling in (field, f"\\u{ord(field[0]):04x}{field[1:]}", f"\\u{ord(field[0]):04X}{field[1:]}"):
                answer = api.admin(sample.method, address, content=twice(sample, field, spelling), headers=JSON)

                problem = refusal(answer, 400, "duplicate_field")
                assert (problem["field"], problem["source"]) == (field, "body")


def twice(sample: Sample, field: str, spelling: str) -> bytes:
    """The content with one field more, in another spelling, behind all others."""
    value = json.dumps(sample.content[field])
    return f'{json.dumps(sample.content)[:-1]}, "{spelling}": {value}}}'.encode()


@pytest.mark.parametrize(
    "content",
    [
        b'{"displayName":"A","displayName":"B"}',
        b'{"displayName":"A","displayName":"A"}',
        b'{"displayName":"A","displayName":5}',
        b'{"displayName":5,"displayName":"A"}',
        b'{"displayName":"A","country":"NO","displayName":null}',
        b'{"displayName":"A","plan":1,"plan":2,"displayName":"B"}',
        b'{ "displayName" : "A" ,\n\t"displayName" : "B" }',
        b'{"displayName":"\\ud83d\\ude00","\\u0064isplayName":"B"}',
    ],
)
def test_whatever_the_values_are_the_field_is_named(api: Api, admin: Caller, content: bytes) -> None:
    user = f"/v1/users/{api.user_id()}"

    with nothing_recorded(api):
        answer = admin("PATCH", user, content=content, headers=JSON)

    assert refusal(answer, 400, "duplicate_field")["field"] == "displayName"


@pytest.mark.parametrize(
    "content",
    [
        b'{"%s":1,"%s":2}' % (SECRET.encode(), SECRET.encode()),
        b'{"displayName":{"%s":1,"%s":2}}' % (SECRET.encode(), SECRET.encode()),
        b'{"displayName":[{"email":1,"email":2}]}',
        b'{"displayName":' + b'{"a":' * 5_000 + b"1" + b"}" * 5_001,
        b"{" + b",".join(b'"%d":1' % n for n in range(5_000)) + b"}",
        b'{"displayName":1' + b"0" * 5_000 + b',"displayName":"A"}',
    ],
)
def test_a_name_that_nobody_declared_does_not_come_back(api: Api, admin: Caller, content: bytes) -> None:
    user = f"/v1/users/{api.user_id()}"

    with nothing_recorded(api):
        answer = admin("PATCH", user, content=content, headers=JSON)

    refusal(answer, 400, answer.json()["code"])
    assert SECRET not in answer.text


class Item(msgspec.Struct, rename="camel"):
    document_version: str = ""


class Batch(msgspec.Struct):
    items: list[Item] = []
    first: Item | None = None
    by_name: dict[str, Item] = {}


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (b'{"items":[{},{"documentVersion":"1","documentVersion":"2"}]}', "items.documentVersion"),
        (b'{"first":{"documentVersion":"1","document\\u0056ersion":"2"}}', "first.documentVersion"),
        (b'{"first":{},"first":null}', "first"),
        (b'{"by_name":{"a":{},"a":{}}}', None),
    ],
)
def test_a_field_is_found_at_any_depth(content: bytes, field: str | None) -> None:
    names = frozenset({"items", "first", "by_name", "documentVersion"})
    form = ContentForm(msgspec.json.Decoder(Batch), names, is_required=True, media_types=frozenset())

    with pytest.raises(Refused) as refused:
        decode(form, content)

    problem = refused.value.problem
    assert (problem.code, problem.field, problem.source) == ("duplicate_field", field, "body")


@pytest.mark.parametrize(
    "content", [b'{"items":[{"documentVersion":"1"},{"documentVersion":"1"}]}', b'{"by_name":{"a":{},"A":{}}}']
)
def test_the_same_name_in_two_objects_is_no_duplicate(content: bytes) -> None:
    form = ContentForm(msgspec.json.Decoder(Batch), frozenset(), is_required=True, media_types=frozenset())

    decoded: Any = decode(form, content)

    assert isinstance(decoded, Batch)
