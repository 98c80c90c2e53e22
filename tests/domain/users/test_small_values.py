"""Purposes, document versions and external ids: short, plain, and safe to put anywhere."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given as for_all

from domain.errors import ConsentPurposeInvalid, DocumentVersionInvalid, DomainError, ExternalIdInvalid
from domain.users.values import UserStatus, parse_document_version, parse_external_id, parse_purpose
from domain.values import has_passed
from tests.support.instants import MOMENT, NOW
from tests.support.outcomes import answer
from tests.support.values import ANY_TEXT

RULES: dict[str, tuple[Any, type[DomainError]]] = {
    "purpose": (parse_purpose, ConsentPurposeInvalid),
    "document version": (parse_document_version, DocumentVersionInvalid),
    "external id": (parse_external_id, ExternalIdInvalid),
}


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("purpose", "a"),
        ("purpose", "personalised-ads"),
        ("purpose", "a1-"),
        ("purpose", "a" * 40),
        ("document version", "1"),
        ("document version", "2026-01"),
        ("document version", "v1.2.3-Rc"),
        ("document version", "9" * 32),
        ("external id", "!"),
        ("external id", "crm:42/a@b"),
        ("external id", "~" * 64),
    ],
)
def test_what_follows_the_rule_is_kept_as_it_is(rule: str, text: str) -> None:
    parse, _ = RULES[rule]

    assert parse(text) == text


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("purpose", ""),
        ("purpose", "Ads"),
        ("purpose", "1ads"),
        ("purpose", "-ads"),
        ("purpose", "personalised ads"),
        ("purpose", "personalised_ads"),
        ("purpose", "añadir"),
        ("purpose", "a" * 41),
        ("purpose", "ads\n"),
        ("purpose", "ads\x00"),
        ("document version", ""),
        ("document version", ".1"),
        ("document version", "-1"),
        ("document version", "1 2"),
        ("document version", "1/2"),
        ("document version", "\u0661"),
        ("document version", "9" * 33),
        ("document version", "1\n"),
        ("external id", ""),
        ("external id", "a b"),
        ("external id", "é"),
        ("external id", "a\x7f"),
        ("external id", "a\x00"),
        ("external id", "a\n"),
        ("external id", "~" * 65),
    ],
)
def test_what_does_not_follow_the_rule_is_refused(rule: str, text: str) -> None:
    parse, error = RULES[rule]

    with pytest.raises(error):
        parse(text)


@for_all(ANY_TEXT)
def test_any_text_follows_the_rule_or_is_refused(text: str) -> None:
    for rule, error in RULES.values():
        value = answer(rule, text)

        assert isinstance(value, error) or value == text


@pytest.mark.parametrize(
    ("instant", "passed"),
    [
        (NOW - MOMENT, True),
        (NOW, True),
        (NOW + MOMENT, False),
        (NOW.astimezone(timezone(timedelta(hours=9))), True),
        (datetime(9999, 12, 31, tzinfo=UTC), False),
    ],
)
def test_an_instant_has_passed_from_itself_on(instant: datetime, *, passed: bool) -> None:
    assert has_passed(instant, NOW) is passed


def test_the_words_for_a_status_never_change() -> None:
    assert [str(status) for status in UserStatus] == [
        "active",
        "deactivated",
        "suspended",
        "deletion_requested",
        "erased",
    ]
