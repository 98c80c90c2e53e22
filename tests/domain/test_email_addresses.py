"""What is an address, what is the same address, and what is none."""

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import given as for_all
from hypothesis import strategies as st

from domain.errors import EmailInvalid
from domain.values import EmailAddress, email_key, parse_email_address
from tests.support.outcomes import answer
from tests.support.values import ANY_TEXT, emails

LONGEST_DOMAIN = f"{'b' * 60}.{'b' * 60}.{'b' * 60}.co"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("ada@example.com", "ada@example.com"),
        ("Ada@Example.COM", "Ada@example.com"),
        ("ada+music@example.com", "ada+music@example.com"),
        ("a.d.a@a.b.c.example.com", "a.d.a@a.b.c.example.com"),
        ("o'hara@example.com", "o'hara@example.com"),
        ("jöhn@example.com", "jöhn@example.com"),
        ("jo\u0308hn@example.com", "jöhn@example.com"),
        ("ада@пример.рф", "ада@пример.рф"),
        ("ada@bücher.example", "ada@bücher.example"),
        ("ada@xn--bcher-kva.example", "ada@bücher.example"),
        ("ada@example\u3002com", "ada@example.com"),
        ("ada@straße.example", "ada@straße.example"),
        (f"{'a' * 64}@{LONGEST_DOMAIN}", f"{'a' * 64}@{LONGEST_DOMAIN}"),
    ],
)
def test_an_address_is_kept_in_its_normal_form(text: str, address: str) -> None:
    assert parse_email_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ada",
        "@example.com",
        "ada@",
        "ada@example",
        "ada@localhost",
        "ada@example..com",
        "ada@.example.com",
        "ada@example.com.",
        "ada@-example.com",
        ".ada@example.com",
        "ada.@example.com",
        "a..da@example.com",
        "ada@lovelace@example.com",
        "ada lovelace@example.com",
        " ada@example.com",
        "ada@example.com ",
        "ada@example.com\n",
        "Ada <ada@example.com>",
        '"ada lovelace"@example.com',
        "ada@[127.0.0.1]",
        "ada@127.0.0.1",
        "ada@example.invalid",
        "ada@example.test",
        "ada@printer.local",
        f"ada@{'b' * 64}.com",
        f"{'a' * 300}@example.com",
        f"{'ö' * 40}@{LONGEST_DOMAIN}",
        "ada\x00@example.com",
        "ada@example.com\x00",
        "ada\r\nBcc: grace@example.com",
        "ada\u202e@example.com",
        "ada\u200b@example.com",
        "ada@exam\u200bple.com",
        "ada\ud800@example.com",
        "ada@\udfffexample.com",
    ],
)
def test_what_mail_could_not_reach_is_no_address(text: str) -> None:
    with pytest.raises(EmailInvalid):
        parse_email_address(text)


def test_a_local_part_has_at_most_64_octets() -> None:
    with pytest.raises(EmailInvalid):
        parse_email_address(f"{'a' * 65}@example.com")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ada@example.com", "ADA@EXAMPLE.COM"),
        ("ada@example.com", "Ada@example.com"),
        ("jöhn@example.com", "jo\u0308hn@example.com"),
        ("JÖHN@example.com", "jöhn@example.com"),
        ("straße@example.com", "STRASSE@example.com"),
        ("ﬁn@example.com", "fin@example.com"),
        ("\uff4a\uff4f\uff48\uff4e@example.com", "john@example.com"),
        ("\u212aate@example.com", "kate@example.com"),
        ("\u017fam@example.com", "sam@example.com"),
        ("ΣΊΣΥΦΟΣ@example.com", "σίσυφος@example.com"),
        ("ada@bücher.example", "ada@xn--bcher-kva.example"),
        ("ada@BÜCHER.example", "ada@bücher.example"),
    ],
)
def test_spellings_that_a_reader_takes_for_the_same_have_the_same_key(one: str, other: str) -> None:
    assert email_key(parse_email_address(one)) == email_key(parse_email_address(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ada@example.com", "ada@example.org"),
        ("ada@example.com", "ada+music@example.com"),
        ("ada@example.com", "a.da@example.com"),
        ("\u0131da@example.com", "ida@example.com"),
        ("\u0430da@example.com", "ada@example.com"),
    ],
)
def test_different_mailboxes_have_different_keys(one: str, other: str) -> None:
    assert email_key(parse_email_address(one)) != email_key(parse_email_address(other))


@for_all(emails())
def test_the_normal_form_of_an_address_is_its_own_normal_form(address: EmailAddress) -> None:
    assert parse_email_address(address) == address


@for_all(ANY_TEXT)
def test_any_text_is_an_address_or_refused(text: str) -> None:
    candidates = (text, f"{text}@example.com", f"ada@{text}", f"ada@{text}.com")

    answers = [answer(parse_email_address, candidate) for candidate in candidates]

    assert all(isinstance(given, EmailInvalid) or "@" in given for given in answers)


LOCAL_PARTS = st.one_of(
    st.text("abzABZ019.!#$%&'*+/=?^_`{|}~-\"@ \\ö", max_size=66),
    st.sampled_from(["POSTMASTER", "Abuse", "a" * 64, "a" * 65, "hostmaster"]),
)
DOMAINS = st.one_of(
    st.text("abzABZ019.-_[]: ö", max_size=70),
    st.sampled_from(["Example.COM", "example.com", "EXAMPLE.org", "xn--bcher-kva.example", "a.test", LONGEST_DOMAIN]),
)


@for_all(LOCAL_PARTS, DOMAINS)
def test_every_address_is_judged_as_the_library_judges_it(local_part: str, domain: str) -> None:
    text = f"{local_part}@{domain}"

    judged = answer(parse_email_address, text)

    assert judged == _normal_form(text) or (isinstance(judged, EmailInvalid) and _normal_form(text) is None)


def _normal_form(text: str) -> str | None:
    try:
        return validate_email(text, check_deliverability=False, strict=True).normalized
    except EmailNotValidError:
        return None
