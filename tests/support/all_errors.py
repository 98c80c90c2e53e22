"""Every error of the domain: those of `domain/errors.py`, and those that areas have in an `errors.py` of their own."""

from importlib import import_module
from pathlib import Path

from domain import errors

DOMAIN = Path(errors.__file__).parent

for module in sorted(DOMAIN.glob("*/errors.py")):
    import_module(f"domain.{module.parent.name}.errors")

LEAVES = tuple(leaf for leaf in errors.leaves() if leaf.__module__.startswith("domain."))
"""Those that can be raised. Errors that tests make up do not count."""
