"""Text that people write and others read: composed, with nothing in it that is not seen.

What characters are is taken from one edition of the Unicode character database, whichever Python runs this, so that two
processes never judge a text differently. A character that the edition does not know yet counts as one to be seen.
"""

import re

import unicodedata2  # type: ignore[import-not-found] # one file of machine code, without types
from idna import core as idna

ZERO_WIDTH_NON_JOINER = "\u200c"
ZERO_WIDTH_JOINER = "\u200d"

# Overrides and isolates can make a name look like another one (Unicode Technical Report 36).
_BIDI_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
# Letters and symbols that show nothing: fillers of Hangul, the blank of Braille.
_FILLERS = frozenset("\u115f\u1160\u3164\uffa0\u2800")
_TAGS = "".join(map(chr, range(0xE0000, 0xE0080)))
_BLACK_FLAG = "\U0001f3f4"
# What is not shown (DerivedCoreProperties.txt, Default_Ignorable_Code_Point), and notes between lines. Not here: those
# that choose the form of the character before them: variation selectors, also those of Mongolian.
_NOT_SHOWN = re.compile(
    "[\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200d\u2060-\u2065\u206a-\u206f\u3164\ufeff\uffa0"
    "\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e007f]"
)
_NONCHARACTERS = re.compile(
    "[\ufdd0-\ufdef{}]".format("".join(chr(plane << 16 | end) for plane in range(17) for end in (0xFFFE, 0xFFFF)))
)
# Letters whose `search_key` is their small form, whatever stands beside them: names are folded by the million.
_EUROPEAN = re.compile("[\\x00-\\x7f\u00c0-\u00de\u00e0-\u012f\u0134-\u013e\u0141-\u0148\u014a-\u017e]*")
# Where pictures lie, assigned and reserved ones (emoji-data.txt, Extended_Pictographic).
_PICTURES = (range(0x2190, 0x2C00), range(0x3030, 0x303E), range(0x3297, 0x329A), range(0x1F000, 0x1FC00))


def nfc(text: str) -> str:
    """Text in Unicode form NFC."""
    normal: str = unicodedata2.normalize("NFC", text)
    return normal


def nfkc(text: str) -> str:
    """Text in Unicode form NFKC."""
    normal: str = unicodedata2.normalize("NFKC", text)
    return normal


def composed(text: str) -> str:
    """Text trimmed and in Unicode form NFC, without what is not shown."""
    if text.isascii():
        return text.strip()
    normal = nfc(text.strip())
    shown = _NOT_SHOWN.sub(_what_does_something, normal)
    # What was apart may meet now.
    return shown if shown == text else composed(shown)


FREE_TEXT_ROOM = 20
"""How many times its limit a text may be long before it is trimmed, composed and freed of what is not shown."""


def composed_within(text: str, limit: int) -> str | None:
    """Composed; None for what is so long that it need not be looked at."""
    return composed(text) if len(text) <= FREE_TEXT_ROOM * limit else None


def search_key(text: str) -> str:
    """The form under which two spellings of a text are the same: case-folded, in Unicode form NFKC."""
    if text.isascii() or _EUROPEAN.fullmatch(text):
        return text.lower()
    return nfkc(nfkc(text).casefold())


def is_word(char: str) -> bool:
    """Whether one character can be a word: an ideograph, a kana or a syllable of Hangul."""
    name: str = unicodedata2.name(nfkc(char)[:1], "")
    return name.startswith(("CJK ", "HIRAGANA ", "KATAKANA ", "HANGUL SYLLABLE"))


def has_control_characters(text: str) -> bool:
    """Whether there is something in it that steers programs or readers: controls, separators, bidi overrides."""
    if text.isascii():
        return not text.isprintable()
    return any(unicodedata2.category(char) in _FORBIDDEN_CATEGORIES or char in _BIDI_CONTROLS for char in text)


def has_visible_character(text: str) -> bool:
    """Whether the text has a visible character; a mark alone, without a base, is not visible."""
    if text.isascii() and text.isprintable():
        return not text.isspace() and text != ""
    return any(_is_visible(char) for char in text)


def _is_visible(char: str) -> bool:
    category: str = unicodedata2.category(char)
    if category == "Cn":
        return not _is_noncharacter(char) and char not in _TAGS
    return category[0] not in "ZCM" and char not in _FILLERS


def _is_noncharacter(char: str) -> bool:
    """Whether it will never be a character (Unicode section 23.7)."""
    return _NONCHARACTERS.fullmatch(char) is not None


def _what_does_something(found: re.Match[str]) -> str:
    """A character that is not shown itself, if what stands around it looks different with it; else nothing."""
    text, place, char = found.string, found.start(), found.group()
    if char in {ZERO_WIDTH_JOINER, ZERO_WIDTH_NON_JOINER}:
        return char if _joins(text, place) else ""
    return char if char in _TAGS and text[:place].rstrip(_TAGS).endswith(_BLACK_FLAG) else ""


def _joins(text: str, place: int) -> bool:
    """Whether a joiner does something here: to letters as RFC 5892 (appendices A.1 and A.2) allows, or to pictures.

    Persian and the scripts of India write words with them, and families and professions are pictures that are joined
    (Unicode Technical Standard 51).
    """
    try:
        if idna.valid_contextj(text, place):
            return True
    except ValueError:  # a character that the library's tables do not know
        return False
    return (
        text[place] == ZERO_WIDTH_JOINER and _ends_in_picture(text[:place]) and _is_picture(text[place + 1 : place + 2])
    )


def _ends_in_picture(text: str) -> bool:
    """Whether the last character that is not a form or skin colour of another one is a picture."""
    rest = text.rstrip("\ufe0f\ufe0e\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff")
    return _is_picture(rest[-1:])


def _is_picture(char: str) -> bool:
    return char != "" and any(ord(char) in pictures for pictures in _PICTURES)
