"""Countries as ISO 3166-1 has them, locales as the CLDR has them."""

import pytest
from babel import localedata
from hypothesis import given as for_all
from hypothesis import strategies as st

from domain.errors import CountryUnknown, LocaleUnknown
from domain.values import countries, parse_country, parse_locale_tag
from tests.support.outcomes import answer
from tests.support.values import ANY_TEXT

LANGUAGES = (
    "sv",
    "en",
    "zh",
    "sr",
    "tr",
    "uk",
    "he",
    "iw",
    "id",
    "in",
    "fil",
    "tl",
    "yue",
    "no",
    "nb",
    "ku",
    "ja",
    "ast",
)
SCRIPTS = ("", "Latn", "Cyrl", "Arab", "Hant", "Hans", "Beng", "Jpan")
REGIONS = ("", "SE", "US", "DE", "CN", "TW", "IL", "XK", "001", "419", "GB", "PH")
# The officially assigned codes of ISO 3166-1, as of its newsletter of 2011 that added South Sudan; unchanged since.
ISO_3166_1 = """
AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC CD
CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF
GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN
KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA
NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI
SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI
VN VU WF WS YE YT ZA ZM ZW
"""


def test_the_countries_are_the_249_that_iso_has_assigned_and_kosovo() -> None:
    assert countries() == {*ISO_3166_1.split(), "XK"}
    assert len(countries()) == 250


@pytest.mark.parametrize("text", ["SE", "GB", "TW", "BQ", "AQ", "XK"])
def test_a_country_is_its_code(text: str) -> None:
    assert parse_country(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "S",
        "se",
        "Se",
        "SWE",
        "SE ",
        " SE",
        "SE\n",
        "UK",
        "EU",
        "XA",
        "XZ",
        "ZZ",
        "AN",
        "001",
        "Sweden",
        "\uff33\uff25",
        "S\x00",
        "\ud800",
    ],
)
def test_what_iso_has_not_assigned_is_no_country(text: str) -> None:
    with pytest.raises(CountryUnknown):
        parse_country(text)


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("sv", "sv"),
        ("sv-SE", "sv-SE"),
        ("sv_SE", "sv-SE"),
        ("SV-se", "sv-SE"),
        ("en-001", "en-001"),
        ("es-419", "es-419"),
        ("sr-Latn-RS", "sr-Latn-RS"),
        ("sr-latn-rs", "sr-Latn-RS"),
        ("zh-TW", "zh-Hant-TW"),
        ("zh-Hant-TW", "zh-Hant-TW"),
        ("fil", "fil"),
        ("nb-NO", "nb-NO"),
        ("no", "no"),
        ("no-NO", "nb-NO"),
        ("NO_no", "nb-NO"),
        ("no-SJ", "nb-SJ"),
        ("tr-DE", "tr-DE"),
        ("uk-PL", "uk-PL"),
        ("en-JP", "en-JP"),
        ("pt_ES", "pt-ES"),
        ("sv-US", "sv-US"),
        ("no-SE", "no-SE"),
        ("iw-IL", "he-IL"),
        ("iw", "he"),
        ("in_ID", "id-ID"),
        ("tl-PH", "fil-PH"),
        ("tl", "fil"),
        ("ji-US", "yi-US"),
        ("mo-MD", "ro-MD"),
        ("sh-RS", "sr-Latn-RS"),
        ("en-BU", "en-MM"),
        ("sq-XK", "sq-XK"),
        ("fr-Latn-FR", "fr-FR"),
        ("en-Cyrl-US", "en-Cyrl-US"),
        ("zh_Hans_CN", "zh-Hans-CN"),
        ("zh-HK", "zh-Hant-HK"),
        ("yue-Hant-HK", "yue-Hant-HK"),
        ("mni-Beng-IN", "mni-Beng-IN"),
        ("swe-SE", "sv-SE"),
        ("az-Arab-IR", "az-Arab-IR"),
    ],
)
def test_a_locale_is_kept_as_a_tag_of_bcp_47(text: str, tag: str) -> None:
    assert parse_locale_tag(text) == tag


@pytest.mark.parametrize(
    "text",
    [
        "",
        "s",
        "xx",
        "swedish",
        "sv-",
        "-SE",
        "sv-ZZ",
        "sv-XX",
        "sv-999",
        "en-UK",
        "xxx-SE",
        "sv-Xxxx-SE",
        "sv-Qaaa-SE",
        "sv-Zzzz-SE",
        "en-AA",
        "en-QM",
        "en-XA",
        "qaa",
        "qtz-SE",
        "mul",
        "zxx",
        "mis",
        "root",
        "und",
        "en-US-POSIX",
        "de-DE-1996",
        "sv-SE.UTF-8",
        "de@euro",
        " sv",
        "sv-SE\n",
        "sv\x00",
        "\u017fv",
        "../../etc/passwd",
        "\ud800",
    ],
)
def test_what_is_not_registered_is_no_locale(text: str) -> None:
    with pytest.raises(LocaleUnknown):
        parse_locale_tag(text)


def test_every_locale_of_the_cldr_is_kept_in_a_form_that_is_its_own() -> None:
    variants = {"be_TARASK", "ca_ES_VALENCIA", "el_POLYTON", "en_US_POSIX"}

    tags = {parse_locale_tag(name) for name in localedata.locale_identifiers() if name not in variants}

    assert len(tags) > 1000
    assert {parse_locale_tag(tag) for tag in tags} == tags


@for_all(st.sampled_from(LANGUAGES), st.sampled_from(SCRIPTS), st.sampled_from(REGIONS), st.sampled_from("-_"))
def test_registered_subtags_go_together_in_any_combination(language: str, script: str, region: str, mark: str) -> None:
    tag = parse_locale_tag(mark.join(part for part in (language, script, region) if part))

    assert parse_locale_tag(tag) == tag


@for_all(ANY_TEXT)
def test_any_text_is_a_locale_and_a_country_or_refused(text: str) -> None:
    locale, country = answer(parse_locale_tag, text), answer(parse_country, text)

    assert isinstance(locale, LocaleUnknown) or locale.isascii()
    assert isinstance(country, CountryUnknown) or country in countries()
