"""The code that decides what a fold does, in a form in which only changes of meaning show.

That is the whole module of the fold, and every function of ours that this module uses from elsewhere; without comments,
docstrings, layout and imports: where something of ours stands does not matter, and what it does is looked at itself. It
is made from tokens, so that another version of Python does not make it another text.
"""

import inspect
import io
import re
import sys
import tokenize
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from types import FunctionType, ModuleType
from typing import Any

OURS = ("application.", "domain.")
_LAYOUT = {
    tokenize.NL: "",
    tokenize.COMMENT: "",
    tokenize.NEWLINE: ";",
    tokenize.INDENT: "{",
    tokenize.DEDENT: "}",
}
_IMPORTS = {"import", "from"}
"""The words that a statement begins with that imports something."""
# One token until Python 3.11, several from 3.12 on, which leaves the spaces within braces out.
_FORMATTED = re.compile("[rR]?[fF][rR]?['\"]")
_FSTRING_START = getattr(tokenize, "FSTRING_START", -1)
_FSTRING_END = getattr(tokenize, "FSTRING_END", -1)


def code_of(function: Callable[..., Any]) -> str:
    """The code that decides what a function does."""
    return _code_in(function.__module__)


def code_of_key(function: Callable[..., Any]) -> str:
    """The code of one function alone: a key uses nothing from elsewhere."""
    return meaning(inspect.getsource(function))


@cache
def _code_in(name: str) -> str:
    module = sys.modules[name]
    return meaning(inspect.getsource(module)) + "".join(meaning(inspect.getsource(f)) for f in _borrowed(module))


def _borrowed(module: ModuleType) -> Iterator[FunctionType]:
    """The functions of ours that a module uses from others."""
    for name, value in sorted(vars(module).items()):
        is_ours = isinstance(value, FunctionType) and value.__module__.startswith(OURS)
        if is_ours and value.__module__ != module.__name__ and name not in {"event_types", "stream_id", "position"}:
            yield value


def meaning(source: str) -> str:
    """A text that is the same for sources that differ only in comments, docstrings, layout and imports."""
    kept: list[str] = []
    begins_statement = True
    depth = 0
    for token in _without_imports(tokenize.generate_tokens(io.StringIO(source).readline)):
        depth += {_FSTRING_START: 1, _FSTRING_END: -1}.get(token.type, 0)
        if token.type in _LAYOUT:
            begins_statement = begins_statement or token.type in _LAYOUT.keys() - {tokenize.NL, tokenize.COMMENT}
            kept.append(_LAYOUT[token.type])
        elif not (begins_statement and token.type == tokenize.STRING):
            is_formatted = depth > 0 or _FORMATTED.match(token.string)
            kept.append("".join(token.string.split()) if is_formatted else token.string)
            begins_statement = False
    return "".join(kept)


def _without_imports(tokens: Iterable[tokenize.TokenInfo]) -> Iterator[tokenize.TokenInfo]:
    """The tokens of all statements that import nothing."""
    begins_statement, is_import = True, False
    for token in tokens:
        is_import = is_import or (begins_statement and token.string in _IMPORTS)
        if not is_import:
            yield token
        if token.type not in {tokenize.NL, tokenize.COMMENT}:
            begins_statement = token.string == ";" or token.type in _LAYOUT
        is_import = is_import and not (token.type == tokenize.NEWLINE or token.string == ";")
