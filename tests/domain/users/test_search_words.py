"""Names are found by the beginning of each of their words, however they are written or typed."""

# ruff: noqa: RUF001 - these are letters that people write names with

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from domain import errors
from domain.users.search_words import is_found, search_words, wanted_words
from domain.users.values import parse_display_name

LONGEST_LEXEME = 2_046
"""Octets that PostgreSQL takes for a word of an index."""


def finds(typed: str, name: str) -> bool:
    return is_found(wanted_words(typed), search_words(name))


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("zoe", "Zoë Smith"),
        ("ZOË", "Zoe Smith"),
        ("zoe", "Zoe\u0308 Smith"),
        ("ist", "İstanbul"),
        ("İST", "istanbul"),
        ("ıst", "ISTANBUL"),
        ("isik", "Işık"),
        ("lovelace", "Ada Lovelace"),
        ("ada lov", "Ada Lovelace"),
        ("lov ada", "Ada Lovelace"),
        ("king love", "Ada King Lovelace"),
        ("strasse", "Straße"),
        ("STRAẞE", "Strasse"),
        ("soren", "Søren"),
        ("lukasz", "Łukasz"),
        ("duong", "Đường"),
        ("nguyen", "Nguyễn"),
        ("aero", "Ærø"),
        ("thor", "Þór"),
        ("γιωργος", "Γιώργος"),
        ("ΣΕΦΕΡΗΣ", "Γιώργος Σεφέρης"),
        ("σεφερησ", "Σεφέρης"),
        ("федор", "Фёдор"),
        ("Фёд", "Федор"),
        ("анна", "А́нна"),
        ("محمد", "مُحَمَّد"),
        ("محمد", "محمـد"),
        ("احمد", "أحمد"),
        ("علی", "علي"),
        ("שלום", "שָׁלוֹם"),
        ("שלום", "שלומי"),
        ("がき", "ガキ"),
        ("ガキ", "がき"),
        ("ｶﾞｷ", "がき"),
        ("김철", "\u1100\u1175\u11b7\u110e\u1165\u11af\u1109\u116e"),
        ("李", "李小龍"),
        ("adabb", "ＡｄａＢｂ"),
        ("fiona", "ﬁona"),
        ("obrien", "O'Brien"),
        ("brien", "O’Brien"),
        ("o'brien", "O´Brien"),
        ("o’bri", "OBrien"),
        ("obrien", "O\u0384Brien"),
        ("obrien", "Ó\u1fbfBrien"),
        ("o'brien", "O Brien"),
        ("okina", "ʻOkina"),
        ("jeanluc", "Jean-Luc Picard"),
        ("jean-luc", "Jean Luc"),
        ("jean‐l", "Jean-Luc"),
        ("luc", "Jean-Luc"),
        ("tolkien jr", "J.R.R. Tolkien"),
        ("john", "Smith,John"),
        ("xin", "Ada👩\u200d👩\u200d👧 Xin"),
        ("🌸🌸", "🌸🌸 Sakura"),
        ("میخواهم", "می\u200cخواهم"),
        ("!!!", "!!!"),
    ],
)
def test_a_name_is_found_by_what_people_type_for_it(typed: str, name: str) -> None:
    assert finds(typed, name)


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("ove", "Ada Lovelace"),
        ("ada byron", "Ada Lovelace"),
        ("かき", "がき"),
        ("はは", "ぱぱ"),
        ("андреи", "Андрей"),
        ("іжак", "Їжак"),
        ("нб", "ню"),
        ("क", "खान"),
        ("कर", "किरण"),
        ("กง", "กิ่ง"),
        ("기", "김철수"),
        ("小龍", "李小龍"),
        ("a%", "Ada"),
        ("d_", "Ada"),
        ("%", "Ada"),
        ("ada\\", "Bob"),
    ],
)
def test_what_makes_another_letter_is_not_left_out(typed: str, name: str) -> None:
    assert not finds(typed, name) or wanted_words(typed) == ()


@pytest.mark.parametrize("typed", ["a", "é", "", " ", "İ", "-a-", "\u0301", "a b", "J R"])
def test_single_letters_are_no_search_for_a_name(typed: str) -> None:
    assert wanted_words(typed) == ()


@for_all(st.text(max_size=50))
def test_every_name_is_found_by_itself_and_by_each_of_its_words(text: str) -> None:
    try:
        name = parse_display_name(text)
    except errors.DomainError:
        return
    words = search_words(name)

    assert words
    assert is_found(wanted_words(name), words)
    assert all(is_found(wanted_words(f"{word} {name}"), words) for word in words)


@for_all(st.text(max_size=50))
def test_words_can_be_stored_in_one_text_and_in_an_index(text: str) -> None:
    for word in search_words(text):
        assert word.split() == [word]
        assert len(word.encode("utf-8", "surrogatepass")) <= LONGEST_LEXEME


@pytest.mark.parametrize("longest", ["\ufdfa" * 50, "\u3300" * 50, "\ufb03" * 50, "\u0390" * 50])
def test_names_that_grow_when_they_are_folded_can_be_stored(longest: str) -> None:
    assert all(len(word.encode()) <= LONGEST_LEXEME for word in search_words(longest))
