"""`reprise projections verify`: are a read model's rows what the log says?"""

from collections.abc import Iterable
from typing import Annotated, Any

import psycopg
from cyclopts import Parameter
from cyclopts.types import PositiveInt

from api.cli.failures import ExitCode, Failure
from api.cli.projection_letters import must_be_known
from api.cli.terminal import say, shown, write_json, write_table
from application.read_models import READ_MODELS
from infrastructure.connections import as_projector
from infrastructure.database import migrated_database, require_data
from infrastructure.logins import Login
from infrastructure.projections.generations import Generation, live_generation
from infrastructure.projections.tables import ModelTable
from infrastructure.projections.verifications import note_verification
from infrastructure.projections.verifying import SAMPLE, Difference, Verification, check_all, check_sample
from infrastructure.settings import settings_from


def verify(
    name: str,
    /,
    *,
    sample: PositiveInt = SAMPLE,
    everything: Annotated[bool, Parameter(name="--all")] = False,
    json: bool = False,
) -> ExitCode:
    """Fold facts from the log again, independently, and compare them row by row with what the read model holds.

    Rows that ought not to be there are found, too. The model is followed meanwhile. Tells the key of each wrong row and
    both values, which may be personal; only keys and columns are put on record.

    Parameters
    ----------
    name
        The read model: `reprise projections list` tells their names.
    sample
        About how many rows to check, drawn by chance.
    everything
        Check every row.
    json
        Write JSON.

    """
    must_be_known(name)
    settings = settings_from()
    require_data(settings)
    projection = READ_MODELS[name]
    with (
        migrated_database(settings, Login.WORKER) as conninfo,
        psycopg.connect(as_projector(conninfo), autocommit=True) as connection,
    ):
        live = _live(connection, name)
        found = Verification()
        if everything:
            for part in check_all(connection, projection, live.generation):
                found.add(part)
        else:
            found = check_sample(connection, projection, ModelTable(projection, live.generation), sample)
        note_verification(connection, projection, live.generation, found, complete=everything)
    if json:
        write_json({"name": name, "rows": found.rows, "differing": found.differing, "differences": found.differences})
    else:
        _tell(name, found)
    return ExitCode.FAILED if found.differing else ExitCode.DONE


def write_differences(differences: Iterable[Difference]) -> None:
    """Show wrong rows: key, column, what it ought to be, what it is."""
    rows = [
        (difference.key, column, _value(difference.expected, column), _value(difference.actual, column))
        for difference in differences
        for column in difference.columns
    ]
    write_table(("row", "column", "from the log", "in the model"), rows)


def _live(connection: psycopg.Connection[Any], name: str) -> Generation:
    live = live_generation(connection, name)
    if live is None:
        raise Failure(f"{name} was never followed.", "projection_failed")
    if live.version != READ_MODELS[name].version:
        raise Failure(f"{name} is there in version {live.version}, which this program does not have.", "other_version")
    return live


def _tell(name: str, found: Verification) -> None:
    if not found.differing:
        say(f"{shown(found.rows)} rows of {name} are what the log says.")
        return
    write_differences(found.differences)
    say(f"{shown(found.differing)} of {shown(found.rows)} rows of {name} are not what the log says.")


def _value(row: Any, column: str) -> str:
    if row is None:
        return "no row"
    return shown(getattr(row, column)) if hasattr(row, column) else "a row"
