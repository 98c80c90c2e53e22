"""Whether an error says that the database cannot be used right now, so that the same may work a little later.

That is told by SQLSTATE (PostgreSQL's appendix A) and not by the class of the exception: a statement that a demoted
primary refuses is an internal error to psycopg, one that is too long an operational one.
"""

import psycopg

_CLASSES = ("08", "53", "57P", "58")
"""Connections, resources such as disk and memory, an operator's intervention, the system below."""
_STATES = frozenset({"25006", "25P03", "25P04"})
"""A read-only transaction; one that took too long, idle or in all."""
_PROGRAMS_FAULT = "54"
"""A limit of the program's own making, such as a statement with too many parameters."""


def is_unavailable(error: object) -> bool:
    """Whether trying again later makes sense."""
    if isinstance(error, psycopg.InterfaceError | ConnectionError | TimeoutError):
        return True
    if not isinstance(error, psycopg.Error):
        return False
    state = error.sqlstate or ""
    if state in _STATES or state.startswith(_CLASSES):
        return True
    return isinstance(error, psycopg.OperationalError) and not state.startswith(_PROGRAMS_FAULT)
