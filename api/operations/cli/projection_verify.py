"""`reprise projections verify`: compares the rows of a read model with the log."""

from collections.abc import Iterable, Iterator
from typing import Annotated, Any

import psycopg
from cyclopts import Parameter
from cyclopts.types import PositiveInt

from api.cli.database import open_database
from api.cli.failures import ExitCode, Failure
from api.cli.terminal import Rows, answer, shown
from api.operations.cli.projection_letters import must_be_known
from application.read_models import READ_MODELS
from infrastructure.postgres.connections import as_projector
from infrastructure.postgres.logins import Login
from infrastructure.projections.generations import Generation, live_generation
from infrastructure.projections.tables import ModelTable
from infrastructure.projections.verify.verifications import note_verification
from infrastructure.projections.verify.verifying import SAMPLE, Difference, Verification, check_all, check_sample


def verify(
    name: str,
    /,
    *,
    sample: PositiveInt = SAMPLE,
    everything: Annotated[bool, Parameter(name="--all")] = False,
    json: bool = False,
) -> ExitCode:
    """Fold events from the log again and compare the result with the rows of a read model.

    With --all it also finds rows that should not exist. The model keeps following the log meanwhile. Prints the key and
    both values of each wrong row, which may be personal data; only keys and columns are stored.

    Parameters
    ----------
    name
        The read model; `reprise projections list` shows the names.
    sample
        About how many randomly chosen rows to check.
    everything
        Check every row.
    json
        Write JSON.

    """
    must_be_known(name)
    projection = READ_MODELS[name]
    with open_database(Login.WORKER) as database, database.connected(as_projector) as connection:
        live = _live(connection, name)
        found = Verification()
        if everything:
            for part in check_all(connection, projection, live.generation):
                found.add(part)
        else:
            found = check_sample(connection, projection, ModelTable(projection, live.generation), sample)
        note_verification(connection, projection, live.generation, found, complete=everything)
    document = {
        "name": name,
        "rows": found.rows,
        "differing": found.differing,
        "differences": found.differences,
        "unreadable": [poison.position for poison in found.unreadable],
    }
    answer(document, *_told(name, found), json=json)
    return ExitCode.FAILED if found.differing or found.unreadable else ExitCode.DONE


def differing_rows(differences: Iterable[Difference]) -> Rows:
    """Wrong rows: key, column, the value from the log, the value in the model."""
    rows = [
        (difference.key, column, _value(difference.expected, column), _value(difference.actual, column))
        for difference in differences
        for column in difference.columns
    ]
    return Rows(("row", "column", "from the log", "in the model"), rows)


def _live(connection: psycopg.Connection[Any], name: str) -> Generation:
    live = live_generation(connection, name)
    if live is None:
        raise Failure(f"{name} has never followed the log.", "projection_failed")
    if live.version != READ_MODELS[name].version:
        raise Failure(
            f"The rows of {name} are of version {live.version}, which this program does not have.", "other_version"
        )
    return live


def _told(name: str, found: Verification) -> Iterator[str | Rows]:
    for poison in found.unreadable:
        yield f"The event at {poison} can no longer be folded: what it concerns was not checked."
    if found.differing:
        yield differing_rows(found.differences)
        yield f"{shown(found.differing)} of {shown(found.rows)} rows of {name} differ from the log."
    else:
        yield f"{shown(found.rows)} rows of {name} match the log."


def _value(row: Any, column: str) -> str:
    if row is None:
        return "no row"
    return shown(getattr(row, column)) if hasattr(row, column) else "a row"
