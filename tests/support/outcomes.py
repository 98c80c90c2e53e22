"""What asking an aggregate for something comes to, in tables of it."""

from collections.abc import Callable
from typing import Any

from domain.errors import DomainError
from tests.support.scenarios import Fact, Scenario

Outcome = Fact | type[DomainError] | None
"""One fact, a refusal, or nothing."""

NOTHING: Outcome = None


def answer(rule: Callable[..., Any], *values: Any) -> Any:
    """What a rule makes of these values, or its refusal."""
    try:
        return rule(*values)
    except DomainError as refusal:
        return refusal


def check(scenario: Scenario[Any], outcome: Outcome) -> None:
    """The scenario came to this."""
    if isinstance(outcome, type):
        scenario.then_refused(outcome)
    elif outcome is None:
        scenario.then()
    else:
        scenario.then(outcome)
