"""Requests as octets, good and bad, each with the answers it must get and whether the connection goes on after them."""

import msgspec

_POST = b"POST /v1/email-verifications HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
CHUNKED = _POST + b"Transfer-Encoding: chunked\r\n\r\n"
WITH_LENGTH = _POST + b"Content-Length: "
TOO_MUCH = (413, "content_too_large")
MALFORMED = (400, "request_malformed")
TOO_LARGE = (431, "head_too_large")
GOOD = (200, None)
NOT_JSON = (400, "content_malformed")
UNKNOWN_TOKEN = (422, "verification_token_invalid")
TOKEN = b'{"token":"x"}'


class RawRequest(msgspec.Struct, frozen=True):
    """What is sent, and what must come of it."""

    name: str
    octets: bytes
    answers: tuple[tuple[int, str | None], ...]
    goes_on: bool = False
    to_head: bool = False


def get(*fields: bytes, target: bytes = b"/healthz", version: bytes = b"HTTP/1.1", host: bytes = b"Host: a") -> bytes:
    """A request for something that everybody may have."""
    return b"\r\n".join([b"GET " + target + b" " + version, *filter(None, [host]), *fields, b"", b""])


def good(name: str, octets: bytes, *answers: tuple[int, str | None], to_head: bool = False) -> RawRequest:
    """A request that leaves the connection as it was."""
    return RawRequest(name, octets, answers or (GOOD,), goes_on=True, to_head=to_head)


def last(name: str, octets: bytes, *answers: tuple[int, str | None]) -> RawRequest:
    """A request after whose answer the connection ends."""
    return RawRequest(name, octets, answers or (MALFORMED,))


RAW_REQUESTS = [
    # What is well-formed, if unusual
    good("plain", get()),
    good("empty lines before it", b"\r\n\r\n\r\n" + get()),
    good("absolute target", get(target=b"http://elsewhere.example/healthz")),
    good("absolute target with a port and capitals", get(target=b"HTTP://elsewhere.example:8080/healthz")),
    good("absolute target without a path", get(target=b"http://elsewhere.example")),
    good("absolute target with a query", get(target=b"http://a/healthz?x=1"), (400, "parameter_unknown")),
    good("asterisk", b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", (404, "resource_not_found")),
    good("HEAD", b"HEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\n", to_head=True),
    good("host with a port", get(host=b"Host: a.example:80")),
    good("host that is an IPv6 address", get(host=b"Host: [::1]:8000")),
    good("host that is empty", get(host=b"Host:")),
    good("host with escapes", get(host=b"Host: %61.example")),
    good("field without a value", get(b"X-Empty:")),
    good("field with blanks around its value", get(b"X-Blank: \t a \t ")),
    good("blanks and tabs behind the host", get(host=b"Host: a \t")),
    good("a blank behind what is expected", get(b"Expect: 100-continue \t")),
    good("empty members among what is expected", get(b"Expect: , 100-continue,")),
    good("a tab behind the media type", _POST[:-2] + b"\t \r\nContent-Length: 13\r\n\r\n" + TOKEN, UNKNOWN_TOKEN),
    good("a blank behind the length", WITH_LENGTH + b"13 \r\n\r\n" + TOKEN, UNKNOWN_TOKEN),
    good("a tab behind the length", WITH_LENGTH + b"13\t\r\n\r\n" + TOKEN, UNKNOWN_TOKEN),
    good("a blank behind chunked", CHUNKED[:-4] + b" \r\n\r\nd\r\n" + TOKEN + b"\r\n0\r\n\r\n", UNKNOWN_TOKEN),
    good("field with octets beyond ASCII", get(b"X-Name: \xc3\x85")),
    good("the same field twice", get(b"X-Twice: 1", b"X-Twice: 2")),
    good("two tokens", get(b"Authorization: Bearer a", b"Authorization: Bearer b"), (400, "parameter_invalid")),
    good("Accept twice", get(b"Accept: text/html", b"Accept: */*")),
    good("ninety-nine fields beside the host", get(*[b"X-%d: 1" % n for n in range(99)])),
    good("a large field", get(b"X-Large: " + b"x" * 30_000)),
    good("a target of 8,192 octets", get(target=b"/" + b"x" * 8_191), (404, "resource_not_found")),
    good("three at once", get() * 3, GOOD, GOOD, GOOD),
    good("an upgrade that is not taken", get(b"Connection: upgrade", b"Upgrade: h2c")),
    good("two upgrades at once", get(b"Connection: upgrade", b"Upgrade: websocket") * 2, GOOD, GOOD),
    good("content where none is read", get(b"Content-Length: 3") + b"abc"),
    good("a length of zero", get(b"Content-Length: 0")),
    good("content of the announced length", WITH_LENGTH + b"13\r\n\r\n" + TOKEN, UNKNOWN_TOKEN),
    good("chunks", CHUNKED + b"5\r\n" + TOKEN[:5] + b"\r\n8\r\n" + TOKEN[5:] + b"\r\n0\r\n\r\n", UNKNOWN_TOKEN),
    good("chunks with extensions", CHUNKED + b'D;a=b;c="d"\r\n' + TOKEN + b"\r\n0;e\r\n\r\n", UNKNOWN_TOKEN),
    good("chunks with fields behind them", CHUNKED + b"d\r\n" + TOKEN + b"\r\n0\r\nX-A: b\r\n\r\n", UNKNOWN_TOKEN),
    good(
        "fields behind the content count for nothing",
        CHUNKED.replace(b"Content-Type: application/json\r\n", b"")
        + b"d\r\n" + TOKEN + b"\r\n0\r\nContent-Type: application/json\r\n\r\n",
        (415, "content_type_unsupported"),
    ),
    good("a chunk size with zeros before it", CHUNKED + b"0000d\r\n" + TOKEN + b"\r\n0\r\n\r\n", UNKNOWN_TOKEN),
    good(
        "chunks of one octet",
        CHUNKED + b"".join(b"1\r\n%c\r\n" % octet for octet in TOKEN) + b"0\r\n\r\n", UNKNOWN_TOKEN,
    ),
    good("a method that is not there", b"PROPFIND /healthz HTTP/1.1\r\nHost: a\r\n\r\n", (405, "method_not_allowed")),
    # What is well-formed and the last of its connection
    last("close", get(b"Connection: close"), GOOD),
    last("close, and another one", get(b"Connection: close") + get(), GOOD),
    last("HTTP/1.0 without a host", get(version=b"HTTP/1.0", host=b""), GOOD),
    last("HTTP/1.0 that asks to keep alive", get(b"Connection: keep-alive", version=b"HTTP/1.0"), GOOD),
    last(
        "an upgrade with content",
        WITH_LENGTH + b"13\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n" + TOKEN, UNKNOWN_TOKEN,
    ),
    last(
        "an upgrade with chunks",
        CHUNKED[:-2] + b"Connection: upgrade\r\nUpgrade: h2c\r\n\r\nd\r\n" + TOKEN + b"\r\n0\r\n\r\n", UNKNOWN_TOKEN,
    ),
    last("content beyond the limit", WITH_LENGTH + b"3000000\r\n\r\n" + b" " * 3_000_000, TOO_MUCH),
    last("seventeen at once, and one more", get() * 18, *[GOOD] * 17),
    # Host (RFC 9112 section 3.2)
    last("no host", get(host=b"")),
    last("two hosts", get(b"Host: a")),
    last("two different hosts", get(b"Host: b")),
    last("host with a blank", get(host=b"Host: a b")),
    last("host with a path", get(host=b"Host: a/b")),
    last("host with a user", get(host=b"Host: u@a")),
    last("host that is a list", get(host=b"Host: a, b")),
    last("host with a port that is none", get(host=b"Host: a:http")),
    last("host with half an escape", get(host=b"Host: %6")),
    last("host with an open bracket", get(host=b"Host: [::1")),
    last("host with octets beyond ASCII", get(host=b"Host: \xc3\xa5.example")),
    last("absolute target and no host", get(target=b"http://a/healthz", host=b"")),
    # The request line
    last("no target", b"GET HTTP/1.1\r\nHost: a\r\n\r\n"),
    last("no version", b"GET /healthz\r\nHost: a\r\n\r\n"),
    last("HTTP/0.9", get(version=b"HTTP/0.9")),
    last("HTTP/1.2", get(version=b"HTTP/1.2")),
    last("HTTP/2.0", get(version=b"HTTP/2.0")),
    last("HTTP/3", get(version=b"HTTP/3")),
    last("http in lower case", get(version=b"http/1.1")),
    last("a method in lower case", get().replace(b"GET", b"get")),
    last("a method nobody knows", get().replace(b"GET", b"BREW")),
    last("tabs between", b"GET\t/healthz\tHTTP/1.1\r\nHost: a\r\n\r\n"),
    last("blank behind the version", get(version=b"HTTP/1.1 ")),
    last("a relative target", get(target=b"healthz")),
    last("a target with a fragment", get(target=b"/healthz#a")),
    last("a target with a zero octet", get(target=b"/health\0z")),
    last("a target beyond ASCII", get(target=b"/h\xc3\xa4lthz")),
    last("a target with a user", get(target=b"http://u:p@a/healthz")),
    last("a target of another scheme", get(target=b"ftp://a/healthz")),
    last("an asterisk that is not for OPTIONS", get(target=b"*")),
    last("CONNECT", b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n"),
    last("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    last("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(64))),
    last("zeros", bytes(100)),
    last("words", b"NOT HTTP AT ALL\r\n\r\n"),
    last("a target of 8,193 octets", get(target=b"/" + b"x" * 8_192), (414, "target_too_long")),
    last("a target of a megabyte", get(target=b"/" + b"x" * 1_000_000), (414, "target_too_long")),
    # Fields
    last("line feeds only", get().replace(b"\r\n", b"\n")),
    last("a line feed among them", get(b"X-A: b\nX-C: d")),
    last("carriage returns only", get().replace(b"\r\n", b"\r") + b"\r\n\r\n"),
    last("a carriage return in a value", get(b"X-A: b\rc")),
    last("a zero octet in a value", get(b"X-A: b\0c")),
    last("a control character in a value", get(b"X-A: b\x08c")),
    last("a zero octet in a name", get(b"X\0A: b")),
    last("a blank before the colon", get(b"X-A : b")),
    last("a blank before the first field", get(host=b" Host: a")),
    last("a folded line", get(b"X-A: b", b" c")),
    last("a folded line with a tab", get(b"X-A: b", b"\tc")),
    last("no name", get(b": b")),
    last("no colon", get(b"X-A")),
    last("a name that is no token", get(b"X(A): b")),
    last("a name beyond ASCII", get(b"X-\xc3\xa4: b")),
    last("a hundred fields beside the host", get(*[b"X-%d: 1" % n for n in range(100)]), TOO_LARGE),
    last("twenty thousand fields", get(*[b"a:b"] * 20_000), TOO_LARGE),
    last("a field of 33,000 octets", get(b"X-Large: " + b"x" * 33_000), TOO_LARGE),
    last("a field of two megabytes", get(b"X-Large: " + b"x" * 2_000_000), TOO_LARGE),
    last("a name of 33,000 octets", get(b"X" * 33_000 + b": a"), TOO_LARGE),
    last("empty lines without end", b"\r\n" * 40_000, TOO_LARGE),
    last("expecting something else", get(b"Expect: 200-ok"), (417, "expectation_failed")),
    # Two ways to understand where a request ends
    last("a tab behind chunked", get(b"Transfer-Encoding: chunked\t") + b"0\r\n\r\n"),
    last("an empty member behind chunked", get(b"Transfer-Encoding: chunked,") + b"0\r\n\r\n"),
    last("two lengths", get(b"Content-Length: 3", b"Content-Length: 3") + b"abc"),
    last("two different lengths", get(b"Content-Length: 3", b"Content-Length: 0") + b"abc"),
    last("a list of lengths", get(b"Content-Length: 3, 3") + b"abc"),
    last("a length and chunks", get(b"Content-Length: 3", b"Transfer-Encoding: chunked") + b"0\r\n\r\n"),
    last("chunks and a length", get(b"Transfer-Encoding: chunked", b"Content-Length: 3") + b"0\r\n\r\n"),
    last("a length with a sign", get(b"Content-Length: +3") + b"abc"),
    last("a length below zero", get(b"Content-Length: -1")),
    last("a length in hexadecimal", get(b"Content-Length: 0x3") + b"abc"),
    last("a length of nothing", get(b"Content-Length:")),
    last("a length beyond all bounds", get(b"Content-Length: " + b"9" * 30)),
    last("a length of five thousand zeros", WITH_LENGTH + b"0" * 5_000 + b"\r\n\r\n"),
    last("chunked twice", get(b"Transfer-Encoding: chunked, chunked") + b"0\r\n\r\n"),
    last("chunked in two fields", get(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked") + b"0\r\n\r\n"),
    last("compressed and chunked", get(b"Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n"),
    last("compressed", get(b"Transfer-Encoding: gzip")),
    last("identity", get(b"Transfer-Encoding: identity")),
    last("chunked behind a vertical tab", get(b"Transfer-Encoding: \x0bchunked") + b"0\r\n\r\n"),
    last("chunks in HTTP/1.0", get(b"Transfer-Encoding: chunked", version=b"HTTP/1.0") + b"0\r\n\r\n"),
    last("a chunk size that is none", CHUNKED + b"g\r\n" + TOKEN + b"\r\n0\r\n\r\n"),
    last("a chunk size with a prefix", CHUNKED + b"0xd\r\n" + TOKEN + b"\r\n0\r\n\r\n"),
    last("a chunk size below zero", CHUNKED + b"-1\r\n" + TOKEN + b"\r\n0\r\n\r\n"),
    last("a chunk size beyond all bounds", CHUNKED + b"f" * 17 + b"\r\n" + TOKEN + b"\r\n0\r\n\r\n"),
    last("a chunk size with a blank", CHUNKED + b"d \r\n" + TOKEN + b"\r\n0\r\n\r\n"),
    last("a chunk longer than its size", CHUNKED + b"c\r\n" + TOKEN + b"\r\n0\r\n\r\n"),
    last("chunks with line feeds", CHUNKED + b"d\n" + TOKEN + b"\n0\n\n"),
    last("a line feed in a chunk's extension", CHUNKED + b"d;a\nb\r\n" + TOKEN + b"\r\n0\r\n\r\n"),
    last("a length behind the chunks", CHUNKED + b"d\r\n" + TOKEN + b"\r\n0\r\nContent-Length: 5\r\n\r\n"),
    last("an extension without end", CHUNKED + b"d;" + b"a" * 600_000, TOO_MUCH),
    last("fields behind the chunks without end", CHUNKED + b"0\r\n" + b"a: b\r\n" * 100_000, TOO_MUCH),
    last("good, then bad", get() + get(host=b""), GOOD, MALFORMED),
    last("good, then good with bad chunks", get() + CHUNKED + b"g\r\n", GOOD, MALFORMED),
    last("bad, then good", get(host=b"") + get()),
]  # fmt: skip
