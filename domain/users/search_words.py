"""The words that a name is found by, however they are written: without case, accents, or what joins them.

What people leave out when they type a name is left out here, and nothing that makes another letter of a letter in its
own script (docs/decisions/0034-names-by-word.md). Names and searches are brought to one form, which is never shown.
"""

import re
from collections.abc import Callable, Iterable

import unicodedata2  # type: ignore[import-not-found] # one file of machine code, without types

from domain.free_text import is_word, nfc, search_key

Forms = tuple[tuple[str, ...], ...]
"""One word of a search, in the forms it may be found in: all beginnings in one of them must be there."""

# Marks that most who type leave out: on Latin and Greek letters, stress on Cyrillic ones, points of Hebrew, vowels of
# Arabic; and what chooses between forms of one character.
_MARKS = (
    "\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
    "\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7"
    "\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u08ca-\u08e1\u08e3-\u08ff"
    "\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef"
)
_DROPPED = re.compile(f"[{_MARKS}]")
# Letters of their own that only look like a letter with a mark (й, ї, ў, ѓ …); ё, ѐ and ѝ are the exceptions.
_CYRILLIC = range(0x0400, 0x0530)
_MARKED_CYRILLIC = frozenset("\u0451\u0450\u045d")
# Letters that have no decomposition, as those who have not got them on their keyboard write them (CLDR, Latin-ASCII);
# forms of one letter that depend on its place or on the language of the keyboard; letters used as an apostrophe.
_WRITTEN_AS = {
    "\u00f8": "o",
    "\u0142": "l",
    "\u0111": "d",
    "\u00f0": "d",
    "\u00fe": "th",
    "\u00e6": "ae",
    "\u0153": "oe",
    "\u0131": "i",
    "\u0127": "h",
    "\u0167": "t",
    "\u014b": "n",
    "\u05da": "\u05db",
    "\u05dd": "\u05de",
    "\u05df": "\u05e0",
    "\u05e3": "\u05e4",
    "\u05e5": "\u05e6",
    "\u0629": "\u0647",
    "\u0649": "\u064a",
    "\u06cc": "\u064a",
    "\u06a9": "\u0643",
    "\u0671": "\u0627",
    **dict.fromkeys("`\u02b9\u02ba\u02bb\u02bc\u02bd\u02be\u02bf\u02c8\u02ca\u02cb\ua78c", "'"),
}
_KATAKANA = (*range(0x30A1, 0x30F7), 0x30FD, 0x30FE)
_TO_HIRAGANA = 0x60
# Accents on their own, which are typed as an apostrophe: NFKC makes them a space with a mark on it.
_ACUTE, _SMOOTH, _ROUGH = " \u0301", " \u0313", " \u0314"


class _ByCharacter(dict[int, str]):
    """What becomes of each character, found out when it is first met: names are folded by the million."""

    def __init__(self, rule: Callable[[str], str]) -> None:
        super().__init__()
        self._rule = rule

    def __missing__(self, code: int) -> str:
        self[code] = made = self._rule(chr(code))
        return made


def _folded(char: str) -> str:
    if unicodedata2.category(char) == "Cf":
        return ""
    decomposed: str = unicodedata2.normalize("NFD", char)
    base = _DROPPED.sub("", decomposed)
    if ord(char) in _CYRILLIC and char not in _MARKED_CYRILLIC and base:
        return char
    if base != decomposed:
        return "".join(_WRITTEN_AS.get(one, one) for one in nfc(base))
    if ord(char) in _KATAKANA:
        return chr(ord(char) - _TO_HIRAGANA)
    return _WRITTEN_AS.get(char, char)


def _parted(char: str) -> str:
    return " " if unicodedata2.category(char).startswith("P") else char


_FOLDS, _PARTS = _ByCharacter(_folded), _ByCharacter(_parted)


def search_words(text: str) -> list[str]:
    """The words that a text is found by.

    What punctuation joins is found as a whole and by its parts: O'Brien as `obrien`, `brien` and `o`. Single letters
    come last, because nobody is looked up by one.
    """
    return words_of_key(search_key(text))


def words_of_key(key: str) -> list[str]:
    """The same of the form of a text that `search_key` gives, where that is there already."""
    folded = _fold(key)
    words = folded.split()
    if folded.isascii() and "".join(words).isalnum():
        return words
    found = dict.fromkeys(word for forms in map(_forms, words) for form in forms for word in form)
    return sorted(found, key=_is_letter)


def wanted_words(text: str) -> tuple[Forms, ...]:
    """The words of a search, each once, in the forms in which `search_words` may have them.

    None, if all are single letters: these begin too many names, where a single ideograph is one.
    """
    wanted = tuple(dict.fromkeys(map(_forms, _fold(search_key(text)).split())))
    return wanted if any(len(forms[0][0]) > 1 or is_word(forms[0][0]) for forms in wanted) else ()


def is_found(wanted: Iterable[Forms], words: Iterable[str]) -> bool:
    """Whether words, as `search_words` has them, fulfil a search: each of its words begins one of them."""
    found = " ".join(["", *words])
    return all(any(all(f" {word}" in found for word in form) for form in forms) for forms in wanted)


def _fold(key: str) -> str:
    if key.isascii():
        return key.replace("`", "'")
    key = key.replace(_ACUTE, "'").replace(_SMOOTH, "'").replace(_ROUGH, "'")
    folded = key.translate(_FOLDS)
    return folded if folded.isascii() else nfc(folded)


def _is_letter(word: str) -> bool:
    return len(word) == 1


def _forms(word: str) -> Forms:
    """As a whole, and in its parts, if punctuation joins some. A word of punctuation is one as it is."""
    if word.isascii() and word.isalnum():
        return ((word,),)
    parts = tuple(word.translate(_PARTS).split())
    if not parts:
        return ((word,),)
    return (parts,) if len(parts) == 1 else (("".join(parts),), parts)
