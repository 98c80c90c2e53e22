"""Free text that others will read: nothing invisible, nothing that tricks the eye, not too much."""

import pytest
from hypothesis import given as for_all

from domain.errors import (
    DisplayNameBlank,
    DisplayNameHasControlCharacters,
    DisplayNameTooLong,
    ReasonInvalid,
)
from domain.free_text import nfc, nfkc, search_key
from domain.users.values import DisplayName, parse_display_name
from domain.values import Reason, parse_reason
from tests.support.outcomes import answer
from tests.support.values import ANY_TEXT, display_names, reasons

SCOTLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Ada", "Ada"),
        ("  Ada\t\n", "Ada"),
        ("\u3000Ada\u00a0", "Ada"),
        ("Ada King Lovelace", "Ada King Lovelace"),
        ("Zoe\u0308", "Zoë"),
        ("李小龍", "李小龍"),
        ("عمر", "عمر"),
        ("FFI", "FFI"),
        (FAMILY, FAMILY),
        ("!", "!"),
        ("\U0001fae8", "\U0001fae8"),
        ("\U0002ebf0", "\U0002ebf0"),
        ("\U0001faff", "\U0001faff"),
        ("Zo\u200be", "Zoe"),
        ("\ufeffAda", "Ada"),
        ("A\u3164da", "Ada"),
        ("\u200b Ada \ufeff", "Ada"),
        ("A\u00ad\u2060\u034f\u180e\u2063da", "Ada"),
        ("e\u200b\u0301", "é"),
        ("A\u200dda", "Ada"),
        ("A\u200cda", "Ada"),
        ("\u06cc\u200c\u0631", "\u06cc\u200c\u0631"),
        ("\u0915\u094d\u200d\u0937", "\u0915\u094d\u200d\u0937"),
        ("\u0915\u094d\u200c\u0937", "\u0915\u094d\u200c\u0937"),
        ("\u2764\ufe0f\u200d\U0001f525", "\u2764\ufe0f\u200d\U0001f525"),
        ("\U0001f469\U0001f3fd\u200d\U0001f680", "\U0001f469\U0001f3fd\u200d\U0001f680"),
        (SCOTLAND, SCOTLAND),
        (f"Ada{SCOTLAND[1:]}", "Ada"),
        ("葛\U000e0100", "葛\U000e0100"),
        ("\u2801\u2800\u2803", "\u2801\u2800\u2803"),
        ("a" * 50, "a" * 50),
        ("e\u0301" * 50, "é" * 50),
        (f"  {'a' * 50}  ", "a" * 50),
    ],
)
def test_a_name_is_kept_trimmed_and_composed(text: str, name: str) -> None:
    assert parse_display_name(text) == name


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\t\n",
        "\u00a0\u3000\u2003",
        "\u200b",
        "\u200d\u200c",
        "\ufeff",
        "\u00ad",
        "\u2060\u180e",
        "\ue000",
        "\ufffe",
        "\U0001ffff",
        "\ufdd0",
        "\U000e0001",
    ],
)
def test_a_name_without_anything_to_see_is_blank(text: str) -> None:
    with pytest.raises(DisplayNameBlank):
        parse_display_name(text)


@pytest.mark.parametrize("text", ["\u3164", "\u115f\u1160", "\uffa0", "\u2800", "\ufe0f", "\u034f", "\u17b4"])
def test_a_name_of_fillers_and_selectors_is_blank(text: str) -> None:
    with pytest.raises(DisplayNameBlank):
        parse_display_name(text)


@pytest.mark.parametrize("text", ["a" * 51, "e\u0301" * 51, "\u0958" * 26, "李" * 51, "a" * 1_000_000])
def test_a_name_of_more_than_50_characters_is_too_long(text: str) -> None:
    with pytest.raises(DisplayNameTooLong):
        parse_display_name(text)


TRICKS = {
    "NUL": "A\x00da",
    "NUL alone": "\x00",
    "tab": "A\tda",
    "line feed": "A\nda",
    "escape": "A\x1bda",
    "delete": "A\x7fda",
    "next line": "A\x85da",
    "line separator": "A\u2028da",
    "paragraph separator": "A\u2029da",
    "lone high surrogate": "A\ud800da",
    "lone low surrogate": "A\udfffda",
    "left-to-right mark": "A\u200eda",
    "right-to-left mark": "A\u200fda",
    "left-to-right embedding": "A\u202ada",
    "right-to-left embedding": "A\u202bda",
    "pop directional formatting": "A\u202cda",
    "left-to-right override": "A\u202dda",
    "right-to-left override": "A\u202eda",
    "left-to-right isolate": "A\u2066da",
    "right-to-left isolate": "A\u2067da",
    "first strong isolate": "A\u2068da",
    "pop directional isolate": "A\u2069da",
}


@pytest.mark.parametrize("trick", TRICKS)
def test_a_name_cannot_hold_what_tricks_the_eye_or_a_program(trick: str) -> None:
    with pytest.raises(DisplayNameHasControlCharacters):
        parse_display_name(TRICKS[trick])


def test_a_name_cannot_hold_an_arabic_letter_mark() -> None:
    with pytest.raises(DisplayNameHasControlCharacters):
        parse_display_name("A\u061cda")


@for_all(display_names())
def test_the_form_in_which_a_name_is_kept_is_its_own(name: DisplayName) -> None:
    assert parse_display_name(name) == name
    assert nfc(name) == name
    assert 1 <= len(name) <= 50


@for_all(ANY_TEXT)
def test_any_text_is_a_name_or_refused(text: str) -> None:
    name = answer(parse_display_name, text)

    refusals = (DisplayNameBlank, DisplayNameHasControlCharacters, DisplayNameTooLong)
    assert isinstance(name, refusals) or name.encode()


@pytest.mark.parametrize(
    ("text", "reason"),
    [("Fraud", "Fraud"), ("  Fraud \n", "Fraud"), ("Zoe\u0308 asked", "Zoë asked"), ("a" * 500, "a" * 500)],
)
def test_a_reason_is_kept_trimmed_and_composed(text: str, reason: str) -> None:
    assert parse_reason(text) == reason


@pytest.mark.parametrize("text", ["", "  ", "\u200b", "a" * 501, *TRICKS.values()])
def test_a_reason_says_something_and_not_too_much(text: str) -> None:
    with pytest.raises(ReasonInvalid):
        parse_reason(text)


@for_all(reasons())
def test_the_form_in_which_a_reason_is_kept_is_its_own(reason: Reason) -> None:
    assert parse_reason(reason) == reason


@for_all(ANY_TEXT)
def test_any_text_is_a_reason_or_refused(text: str) -> None:
    reason = answer(parse_reason, text)

    assert isinstance(reason, ReasonInvalid) or reason.encode()


def test_the_search_key_of_european_letters_is_the_one_that_unicode_defines() -> None:
    for first in map(chr, range(0x250)):
        for second in ("", *map(chr, range(0x300, 0x346))):
            text = f"{first}{second}s"
            assert search_key(text) == nfkc(nfkc(text).casefold())
