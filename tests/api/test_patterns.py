"""Regular expressions mean the same on every Python that this program runs on, and take no longer than is fair."""

import importlib
import pkgutil
import re
import re._parser as sre  # type: ignore[import-not-found] # the module that `re` itself takes patterns apart with
from collections.abc import Iterator
from typing import Any

import pytest

import api
import application
import domain
import infrastructure
from api.connections.heads import _HOST
from api.http.content_negotiation import _WITH_PARAMETERS
from api.http.header_values import QUOTED, list_members, parameters_in
from api.http.preconditions import _TAGS

NEW_IN_3_11 = {"POSSESSIVE_REPEAT", "ATOMIC_GROUP"}
"""What the first releases of Python 3.11 get wrong (bpo-106052)."""


def patterns() -> Iterator[tuple[str, "re.Pattern[Any]"]]:
    for package in (domain, application, infrastructure, api):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                for name, value in vars(importlib.import_module(module.name)).items():
                    if isinstance(value, re.Pattern):
                        yield f"{module.name}.{name}", value


def operations(parsed: Any) -> Iterator[str]:
    if isinstance(parsed, sre.SubPattern | list | tuple):
        for part in parsed:
            yield from operations(part)
    else:
        yield str(parsed)


def test_no_pattern_needs_what_some_pythons_get_wrong() -> None:
    found = dict(patterns())

    assert len(found) > 20
    assert {
        name
        for name, pattern in found.items()
        if NEW_IN_3_11 & set(operations(sre.parse(pattern.pattern, pattern.flags)))
    } == set()


@pytest.mark.parametrize(
    "again", [b"; ", b";", b" ", b"a", b";a=b", b'\\"', b';a="b"', b"%20", b'"1",', b'"1" , ', b","]
)
def test_a_long_text_that_does_not_fit_takes_no_longer_than_it_is_long(again: bytes) -> None:
    """What callers send; a pattern that tries every way to split it takes for ever with a few dozen."""
    for times in (100, 20_000):
        text = again * times
        assert _WITH_PARAMETERS.fullmatch(b"application/json" + text + b"\0") is None
        assert _WITH_PARAMETERS.fullmatch(b'application/json;a="' + text) is None or b'"' in again
        assert _HOST.fullmatch(text + b"\0") is None
        assert _TAGS.fullmatch(text + b"\0") is None
        assert re.compile(QUOTED).fullmatch(b'"' + text) is None or again.endswith(b'"')
        parameters_in(text)
        list_members(b'"' + text)
