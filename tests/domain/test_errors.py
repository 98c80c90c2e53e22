"""Refusals: a drawn tree that is true, and for each leaf a code, a sentence and nothing personal."""

import inspect
import re
from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import pytest

from domain import errors
from domain.errors import DomainError, TooManyEmailRequests, VersionIsStale
from tests.support.all_errors import LEAVES


def test_the_drawn_tree_is_the_tree_of_classes() -> None:
    drawn = list(_drawn(errors.__doc__ or ""))

    assert drawn == list(_defined(DomainError))


def test_every_error_of_the_module_is_in_the_tree() -> None:
    classes = {
        member for _, member in inspect.getmembers(errors, inspect.isclass) if member.__module__ == "domain.errors"
    }

    assert {member.__name__ for member in classes} == {"DomainError"} | {name for name, _ in _defined(DomainError)}


def test_the_leaves_are_the_errors_that_have_no_children() -> None:
    assert len(LEAVES) == len(set(LEAVES)) > 0
    assert not any(leaf.__subclasses__() for leaf in LEAVES)
    assert {leaf.__name__ for leaf in LEAVES if leaf.__module__ == "domain.errors"} == {
        name for name, _ in _defined(DomainError)
    } - {parent for _, parent in _defined(DomainError)}


@pytest.mark.parametrize("leaf", LEAVES)
def test_a_leaf_has_the_code_of_its_name(leaf: type[DomainError]) -> None:
    assert leaf.__dict__["code"] == re.sub(r"(?<!^)(?=[A-Z])", "_", leaf.__name__).lower()


def test_no_two_leaves_have_the_same_code_or_sentence() -> None:
    assert len({leaf.code for leaf in LEAVES}) == len(LEAVES)
    assert len({leaf.sentence for leaf in LEAVES}) == len(LEAVES)


@pytest.mark.parametrize("leaf", LEAVES)
def test_a_leaf_has_a_sentence_and_a_docstring_of_its_own(leaf: type[DomainError]) -> None:
    assert re.fullmatch(r"[A-Z].+\.", leaf.__dict__["sentence"])
    assert re.fullmatch(r"[A-Z].+\.", leaf.__dict__["__doc__"])


@pytest.mark.parametrize("leaf", LEAVES)
def test_a_field_is_named_as_on_the_wire(leaf: type[DomainError]) -> None:
    assert leaf.field is None or re.fullmatch(r"[a-z]+([A-Z][a-z]+)*", leaf.field)


@pytest.mark.parametrize("leaf", [leaf for leaf in LEAVES if leaf not in {VersionIsStale, TooManyEmailRequests}])
def test_a_refusal_says_its_sentence_and_takes_no_values(leaf: type[DomainError]) -> None:
    refusal = leaf()

    assert str(refusal) == leaf.sentence
    assert "__init__" not in vars(leaf)


def test_too_many_requests_come_with_how_long_to_wait_but_not_in_the_sentence() -> None:
    refusal = TooManyEmailRequests(timedelta(minutes=7))

    assert refusal.wait == timedelta(minutes=7)
    assert str(refusal) == TooManyEmailRequests.sentence


def test_a_stale_version_names_the_aggregate_and_both_versions_but_not_in_the_sentence() -> None:
    user_id = uuid4()

    stale = VersionIsStale(user_id, expected=3, actual=5)

    assert (stale.aggregate_id, stale.expected, stale.actual) == (user_id, 3, 5)
    assert str(stale) == VersionIsStale.sentence


def _drawn(text: str) -> Iterator[tuple[str, str]]:
    """Each name in the drawing, with the name above it."""
    path = ["DomainError"]
    for line in text.splitlines():
        if found := re.match(r"([│ ]*)[├└]── (\w+)", line):
            depth = 1 + len(found[1]) // 4
            path[depth:] = [found[2]]
            yield found[2], path[depth - 1]


def _defined(parent: type[DomainError]) -> Iterator[tuple[str, str]]:
    """The same of the classes; an area's own leaves are in no drawing."""
    for child in parent.__subclasses__():
        if child.__module__ == "domain.errors":
            yield child.__name__, parent.__name__
            yield from _defined(child)
