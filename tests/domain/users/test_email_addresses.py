"""What is an address, what is the same address, and what is none."""

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import given as for_all
from hypothesis import strategies as st

from domain.errors import EmailDomainReserved, EmailInvalid
from domain.values import EmailAddress, address_beginning, email_key, parse_email_address
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


@pytest.mark.parametrize(
    "domain", ["example.invalid", "example.test", "printer.local", "LOCAL", "localhost", "nas.home.arpa", "a.b.Test"]
)
def test_an_address_in_a_reserved_domain_is_refused_with_that_reason(domain: str) -> None:
    with pytest.raises(EmailDomainReserved):
        parse_email_address(f"ada@{domain}")


@pytest.mark.parametrize("local_part", ["a" * 65, "ö" * 33, "ö" * 64, "李" * 22, "a" * 128, "\U0001f3b5" * 17])
def test_a_local_part_has_at_most_64_octets(local_part: str) -> None:
    with pytest.raises(EmailInvalid):
        parse_email_address(f"{local_part}@example.com")


@pytest.mark.parametrize("local_part", ["a" * 64, "ö" * 32, "李" * 21])
def test_a_local_part_of_64_octets_is_one(local_part: str) -> None:
    assert parse_email_address(f"{local_part}@example.com") == f"{local_part}@example.com"


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
        ("ada@faß.de", "ada@xn--fa-hia.de"),
        ("ada@FAẞ.de", "ada@faß.de"),
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
        ("ada@faß.de", "ada@fass.de"),
        ("ada@xn--fa-hia.de", "ada@fass.de"),
        ("ada@βόλος.com", "ada@βόλοσ.com"),
        ("ada@xn--nxasmm1c.com", "ada@xn--nxasmq6b.com"),
    ],
)
def test_different_mailboxes_have_different_keys(one: str, other: str) -> None:
    assert email_key(parse_email_address(one)) != email_key(parse_email_address(other))


@pytest.mark.parametrize(
    ("beginning", "address"),
    [
        ("ada", "ada@example.com"),
        ("ADA@EX", "ada@example.com"),
        ("ada@xn--bcher-kva.ex", "ada@bücher.example"),
        ("ada@xn--bcher-kva.example", "ada@bücher.example"),
        ("ada@BÜCH", "ada@bücher.example"),
        ("ada@bu\u0308ch", "ada@bücher.example"),
        ("\uff41\uff44\uff41\uff20\uff45\uff58", "ada@example.com"),
        ("ada@example\u3002c", "ada@example.com"),
        ("jo\u0308hn", "jöhn@example.com"),
        ("STRASSE@", "straße@example.com"),
        ("ada@faß", "ada@faß.de"),
        ("ada@xn--fa-hia.d", "ada@faß.de"),
        ("\ufe70@ex", "\ufe70@example.com"),  # a vowel sign, whose key begins with a blank
    ],
)
def test_the_beginning_of_an_address_is_found_in_any_spelling(beginning: str, address: str) -> None:
    assert email_key(parse_email_address(address)).startswith(address_beginning(beginning))


@for_all(emails(), st.integers(0, 300))
def test_every_beginning_of_a_key_is_its_own(address: EmailAddress, length: int) -> None:
    """But for blanks at the beginning of a key: those of a search are trimmed, so it takes the address as it is."""
    key = email_key(address)

    assert key.lstrip().startswith(address_beginning(key[:length].strip()))


@for_all(ANY_TEXT)
def test_any_text_may_be_the_beginning_of_an_address(text: str) -> None:
    assert isinstance(address_beginning(f"{text}@xn--{text}"), str)


@for_all(emails())
def test_the_normal_form_of_an_address_is_its_own_normal_form(address: EmailAddress) -> None:
    assert parse_email_address(address) == address


@for_all(ANY_TEXT)
def test_any_text_is_an_address_or_refused(text: str) -> None:
    candidates = (text, f"{text}@example.com", f"ada@{text}", f"ada@{text}.com")

    answers = [answer(parse_email_address, candidate) for candidate in candidates]

    assert all(isinstance(given, (EmailInvalid, EmailDomainReserved)) or "@" in given for given in answers)


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

    assert judged == _normal_form(text) or (
        isinstance(judged, (EmailInvalid, EmailDomainReserved)) and _normal_form(text) is None
    )


def _normal_form(text: str) -> str | None:
    try:
        return validate_email(text, check_deliverability=False, strict=True).normalized
    except EmailNotValidError:
        return None
