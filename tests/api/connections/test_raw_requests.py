"""What comes of octets that are no request, or are one only just: each over a connection of its own."""

import pytest

from tests.support.api import Api
from tests.support.raw_http import PROBE, Answer, answers_in, connect, converse, read_to_end
from tests.support.raw_requests import CHUNKED, RAW_REQUESTS, TOKEN, WITH_LENGTH, RawRequest, get


@pytest.mark.parametrize("request_", RAW_REQUESTS, ids=lambda request: request.name)
def test_octets_get_the_answers_they_deserve(api: Api, request_: RawRequest) -> None:
    answers = answers_in(converse(api.url, request_.octets + PROBE), to_head=request_.to_head)

    check(answers, request_)


@pytest.mark.parametrize("request_", [r for r in RAW_REQUESTS if len(r.octets) < 600], ids=lambda r: r.name)
def test_in_how_many_pieces_they_come_does_not_matter(api: Api, request_: RawRequest) -> None:
    octets = request_.octets + PROBE
    third = len(request_.octets) // 3
    pieces = [octets[:1], octets[1:third], octets[third : 2 * third], octets[2 * third : -2], octets[-2:]]

    answers = answers_in(converse(api.url, *pieces), to_head=request_.to_head)

    check(answers, request_)


def check(answers: list[Answer], request: RawRequest) -> None:
    """Compare with what is expected; the probe behind it is answered if the connection goes on."""
    expected = [*request.answers, (200, None)] if request.goes_on else [*request.answers]
    assert [(answer.status, None if request.to_head else answer.code) for answer in answers] == expected
    assert [answer.fields.get("connection") for answer in answers] == [None] * (len(answers) - 1) + ["close"]


def test_content_is_asked_for_when_it_is_wanted(api: Api) -> None:
    with connect(api.url) as connection:
        connection.sendall(WITH_LENGTH + b"13\r\nExpect: 100-continue\r\n\r\n")
        assert connection.recv(1_000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(TOKEN + PROBE)
        answers = answers_in(read_to_end(connection))

    assert [(answer.status, answer.code) for answer in answers] == [(422, "verification_token_invalid"), (200, None)]


def test_content_is_not_asked_for_when_its_request_is_refused(api: Api) -> None:
    head = get(b"Content-Length: 13", b"Expect: 100-continue").replace(b"GET /healthz", b"POST /v1/users")

    (answer,) = answers_in(converse(api.url, head))

    assert (answer.status, answer.code, answer.fields["connection"]) == (401, "token_missing", "close")


def test_http_1_0_knows_nothing_of_expectations(api: Api) -> None:
    head = WITH_LENGTH.replace(b"1.1", b"1.0") + b"13\r\nExpect: 100-continue\r\n\r\n"

    (answer,) = answers_in(converse(api.url, head, TOKEN))

    assert answer.code == "verification_token_invalid"


@pytest.mark.parametrize("head", [CHUNKED, WITH_LENGTH + b"1000000000\r\n\r\n"])
def test_nobody_waits_for_the_rest_of_content_that_is_refused(api: Api, head: bytes) -> None:
    refused = head.replace(b"/v1/email-verifications", b"/v1/users")

    (answer,) = answers_in(converse(api.url, refused))

    assert (answer.code, answer.fields["connection"]) == ("token_missing", "close")


def test_what_is_left_of_a_small_refused_content_is_no_request(api: Api) -> None:
    refused = WITH_LENGTH.replace(b"/v1/email-verifications", b"/v1/users") + b"%d\r\n\r\n" % len(get())

    with connect(api.url) as connection:
        connection.sendall(refused)
        first = connection.recv(10_000)
        connection.sendall(get() + PROBE)
        answers = answers_in(first + read_to_end(connection))

    assert [(answer.status, answer.code) for answer in answers] == [(401, "token_missing"), (200, None)]


@pytest.mark.parametrize("around", [b"", b" ", b"\t", b" \t \t"])
@pytest.mark.parametrize(
    ("field", "value", "status"),
    [
        (b"If-Match", b'"1"', 200),
        (b"If-Match", b"*", 200),
        (b"If-Match", b', "1",', 200),
        (b"Idempotency-Key", b"key-%d", 200),
        (b"Reprise-Reason", b"Ticket 4711", 200),
        (b"Correlation-Id", b"0190c0de-0000-4000-8000-00000000abcd", 200),
        (b"Accept", b"text/html, application/json", 200),
        (b"Content-Encoding", b"identity", 200),
    ],
)
def test_blanks_around_a_value_are_no_part_of_it(
    api: Api, around: bytes, field: bytes, value: bytes, status: int
) -> None:
    path = f"/v1/users/{api.user_id()}".encode()
    value = value.replace(b"%d", path[-36:])
    token = (api.admin.token or "").encode()
    head = b"\r\n".join(
        [
            b"PATCH " + path + b" HTTP/1.1",
            b"Host: a" + around,
            b"Authorization: Bearer " + token + around,
            b"Content-Type: application/json" + around,
            b"Content-Length: 16" + around,
            field + b": " + around + value + around,
        ]
    )

    answers = answers_in(converse(api.url, head + b'\r\n\r\n{"country":"NO"}' + PROBE))

    assert [answer.status for answer in answers] == [status, 200]


@pytest.mark.parametrize("around", [b" ", b"\t", b"\t "])
def test_a_key_with_blanks_behind_it_is_the_same_key(api: Api, around: bytes) -> None:
    path = f"/v1/users/{api.user_id()}".encode()
    answers = []
    for blanks in (b"", around):
        request = (
            b"PATCH " + path + b" HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 16\r\n"
            b"Authorization: Bearer " + (api.admin.token or "").encode() + b"\r\n"
            b"Idempotency-Key: k-" + path[-36:] + blanks + b'\r\n\r\n{"country":"NO"}'
        )
        answers.append(answers_in(converse(api.url, request + PROBE))[0])

    assert [answer.status for answer in answers] == [200, 200]
    assert answers[0].content == answers[1].content
