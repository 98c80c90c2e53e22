"""The table of all environment variables in docs/operations.md."""

from typing import Any

import msgspec

from application.policy import Policy
from infrastructure.settings import ELSEWHERE, POLICY, SETTINGS, Settings
from infrastructure.variables import Number, Variable


def settings_as_markdown() -> str:
    """The table, as a page has it."""
    rows = [
        "| Variable | Default (limits) | What it sets |",
        "|---|---|---|",
        *(_row(variable, _default_of(Settings, field)) for field, variable in SETTINGS.items()),
        *(_row(variable, _default_of(Policy, field)) for field, variable in POLICY.items()),
        *(_row(variable) for variable in ELSEWHERE),
    ]
    return "\n".join(rows)


def _default_of(kind: type[msgspec.Struct], field: str) -> Any:
    return next(each.default for each in msgspec.structs.fields(kind) if each.name == field)


def _row(variable: Variable, default: Any = None) -> str:
    stated = variable.default or _shown(variable, default)
    limits = f" ({variable.read.limits})" if isinstance(variable.read, Number) else ""
    return f"| `{variable.name}` | {stated}{limits} | {variable.sets} |"


def _shown(variable: Variable, value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "`yes`" if value else "`no`"
        case _ if isinstance(variable.read, Number):
            return variable.read.shown(value)
        case _:
            return f"`{value}`"
