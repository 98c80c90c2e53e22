"""People files, made up: with persons of every kind, and lines that are refused for every reason there is."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple


class RefusedLine(NamedTuple):
    """A line that is no person, and how that is told."""

    content: bytes
    code: str
    field: str | None


def person(name: str, **facts: Any) -> dict[str, Any]:
    """Somebody whose address begins with a name; a fact that is None is left out."""
    all_facts = {"email": f"{name}@example.com", "displayName": f"Name of {name}", "country": "SE", **facts}
    return {key: value for key, value in all_facts.items() if value is not None}


def line(facts: dict[str, Any]) -> bytes:
    """A person's line."""
    return json.dumps(facts, ensure_ascii=False).encode()


def consent(purpose: str = "marketing", version: str = "2026-01", *, granted: bool = True) -> dict[str, Any]:
    """An answer about one purpose."""
    return {"purpose": purpose, "documentVersion": version, "granted": granted}


def file_of(*lines: bytes) -> bytes:
    """A file of these lines."""
    return b"\n".join(lines) + b"\n"


def crowd(count: int, prefix: str = "listener") -> list[bytes]:
    """So many people, each a little different; every third one has an external id, some have consents."""
    return [line(_member(prefix, number)) for number in range(count)]


def _member(prefix: str, number: int) -> dict[str, Any]:
    purposes = ("marketing", "analytics", "personalised-ads")[: number % 4]
    return person(
        f"{prefix}{number}",
        locale=("sv-SE", None, "de_DE")[number % 3],
        birthDate=(None, f"19{60 + number % 40}-0{1 + number % 9}-17")[number % 2],
        consents=[consent(purpose, granted=number % 5 > 0) for purpose in purposes],
        externalId=None if number % 3 else f"crm-{prefix}-{number}",
    )


def refused_lines() -> list[RefusedLine]:
    """At least one line for each reason to refuse it by itself."""
    return [
        *shape_refusals(),
        *value_refusals(),
        RefusedLine(b" " * 70_000 + line(person("ann")), "line_too_long", None),
    ]


def shape_refusals() -> Iterator[RefusedLine]:
    """Lines that have not the form of a person."""
    whole = line(person("ann"))
    yield from (
        RefusedLine(b"not JSON", "malformed_json", None),
        RefusedLine(whole[:-1], "malformed_json", None),
        RefusedLine(whole + b"{}", "malformed_json", None),
        RefusedLine(whole[:-1] + b', "birthDate": 1990-01-01}', "malformed_json", None),
        RefusedLine(b'{"email": "ann\x00@example.com"}', "malformed_json", None),
        RefusedLine(b'{"email": "ann\\ud800@example.com"}', "malformed_json", None),
        RefusedLine(whole[:-1] + b', "isAdmin": ' + b"[" * 10_000 + b"]" * 10_000 + b"}", "unknown_field", "isAdmin"),
        RefusedLine(b'{"consents": ' + b"[" * 10_000, "wrong_type", "consents[0]"),
        RefusedLine(b'{"displayName": "\xff"}', "invalid_utf8", None),
        RefusedLine("{}".encode("utf-16"), "invalid_utf8", None),
        RefusedLine(b"[]", "wrong_type", None),
        RefusedLine(b"null", "wrong_type", None),
        RefusedLine(line(person("ann", email=7)), "wrong_type", "email"),
        RefusedLine(line(person("ann", explicitContentFilter="yes")), "wrong_type", "explicitContentFilter"),
        RefusedLine(line(person("ann", birthDate="31.12.1990")), "wrong_type", "birthDate"),
        RefusedLine(line(person("ann", birthDate="1990-02-30")), "wrong_type", "birthDate"),
        RefusedLine(line(person("ann", consents={})), "wrong_type", "consents"),
        RefusedLine(line(person("ann", consents=[consent(), consent(granted=1)])), "wrong_type", "consents[1].granted"),  # type: ignore[arg-type]
        RefusedLine(line({"displayName": "Ann", "country": "SE"}), "missing_field", "email"),
        RefusedLine(line(person("ann", displayName=None)), "missing_field", "displayName"),
        RefusedLine(line(person("ann", country=None)), "missing_field", "country"),
        RefusedLine(line(person("ann", consents=[{"purpose": "x"}])), "missing_field", "consents[0].documentVersion"),
        RefusedLine(line(person("ann", isAdmin=True)), "unknown_field", "isAdmin"),
        RefusedLine(line(person("ann", **{"\x1b[31m": 1})), "unknown_field", "\ufffd[31m"),
        RefusedLine(line(person("ann", consents=[{**consent(), "at": 1}])), "unknown_field", "consents[0].at"),
        RefusedLine(line(person("ann", createdAt="2014-05-17")), "wrong_type", "createdAt"),
        RefusedLine(line(person("ann", createdAt="2014-05-17T10:30:00")), "wrong_type", "createdAt"),
        RefusedLine(line(person("ann", emailVerified="yes")), "wrong_type", "emailVerified"),
        RefusedLine(line(person("ann", status="erased")), "wrong_type", "status"),
        RefusedLine(line(person("ann", statusReason="Chargeback")), "wrong_type", None),
        RefusedLine(line(person("ann", statusSince="2020-02-29T12:00:00Z")), "wrong_type", None),
        RefusedLine(
            line(person("ann", consents=[{**consent(), "occurredAt": "yesterday"}])),
            "wrong_type",
            "consents[0].occurredAt",
        ),
        RefusedLine(whole[:-1] + b', "country": "DE"}', "duplicate_field", "country"),
        RefusedLine(whole[:-1] + b', "\\u0065mail": "eve@example.com"}', "duplicate_field", "email"),
    )


def value_refusals() -> Iterator[RefusedLine]:
    """People with a value that no rule allows."""
    yield from (
        RefusedLine(line(person("ann", email="ann")), "email_invalid", "email"),
        RefusedLine(line(person("ann", email="ann@example.com\u0000")), "email_invalid", "email"),
        RefusedLine(line(person("ann", displayName="   ")), "display_name_blank", "displayName"),
        RefusedLine(line(person("ann", displayName="x" * 51)), "display_name_too_long", "displayName"),
        RefusedLine(line(person("ann", displayName="a\u202eb")), "display_name_has_control_characters", "displayName"),
        RefusedLine(line(person("ann", country="se")), "country_unknown", "country"),
        RefusedLine(line(person("ann", locale="sv-XX")), "locale_unknown", "locale"),
        RefusedLine(line(person("ann", birthDate="2990-01-01")), "birth_date_in_future", "birthDate"),
        RefusedLine(line(person("ann", birthDate="2025-01-01")), "too_young", "birthDate"),
        RefusedLine(
            line(person("ann", consents=[consent(), consent("NO")])), "consent_purpose_invalid", "consents[1].purpose"
        ),
        RefusedLine(
            line(person("ann", consents=[consent(version="")])),
            "document_version_invalid",
            "consents[0].documentVersion",
        ),
        RefusedLine(line(person("ann", externalId="a b")), "external_id_invalid", "externalId"),
        RefusedLine(line(person("ann", createdAt="2990-01-01T00:00:00Z")), "occurred_in_future", "createdAt"),
        RefusedLine(line(person("ann", createdAt="0001-01-01T00:00:00Z")), "occurred_too_long_ago", "createdAt"),
        RefusedLine(line(person("ann", status="suspended")), "reason_invalid", "statusReason"),
        RefusedLine(
            line(person("ann", consents=[{**consent(), "occurredAt": "2990-01-01T00:00:00Z"}])),
            "occurred_in_future",
            "consents[0].occurredAt",
        ),
    )


def shuffled_in(people: Sequence[bytes], refused: Sequence[bytes]) -> list[bytes]:
    """The refused lines, spread among the people."""
    lines = list(people)
    for number, content in enumerate(refused):
        lines.insert(number * 7 % (len(lines) + 1), content)
    return lines
