"""`reprise projections as-of`: a whole read model as of a moment."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from cyclopts.types import NonNegativeInt

from api.access_records.cli.recording import put_file_on_record
from api.cli.database import Database, open_database
from api.cli.failures import ExitCode, Failure
from api.cli.terminal import answer, shown
from api.cli.values import instant
from api.operations.cli.projection_letters import must_be_known
from application.projections.definition import Projection
from application.read_models import READ_MODELS
from infrastructure.files.row_files import FileFormError, write_rows
from infrastructure.postgres.connections import as_projector
from infrastructure.postgres.logins import Login
from infrastructure.projections.rebuild.as_of import PositionNotInLogError, counts_as_of, position_at, rows_as_of


def as_of(
    name: str,
    /,
    *,
    output: Path,
    at: Annotated[datetime | None, Parameter(converter=instant)] = None,
    position: NonNegativeInt | None = None,
    counts: bool = False,
    json: bool = False,
) -> None:
    """Write a whole read model as of a moment to a file.

    It is folded from the log with this program's definition; the live model is not touched. The file contains what
    the model contains, personal data included. Only its owner can read it.

    Parameters
    ----------
    name
        The read model; `reprise projections list` shows the names.
    output
        The file. Its name ends in .csv, .jsonl or .parquet (which requires the package pyarrow).
    at
        As of this instant, in UTC unless it has an offset.
    position
        As of this log position.
    counts
        Write the counts of the model instead of its rows. They name nobody.
    json
        Write JSON.

    """
    must_be_known(name)
    if (at is None) == (position is None):
        raise Failure("Use either --at or --position.", "usage", ExitCode.USAGE)
    projection = READ_MODELS[name]
    if counts and projection.tally is None:
        raise Failure(f"{name} has no counts, only rows.", "nothing_counted")
    with open_database(Login.WORKER) as database:
        upto = _position_at(database, at) if at is not None else position or 0
        written = _write(output, as_projector(database.conninfo), projection, upto, counts=counts)
        if not counts:
            put_file_on_record(database, [], f"{name} as of position {upto}")
    what = "counts" if counts else "rows"
    answer(
        {"name": name, "position": upto, what: written, "output": str(output)},
        f"{shown(written)} {what} of {name} as of position {shown(upto)} are in {output}.",
        json=json,
    )


def _write(output: Path, conninfo: str, projection: Projection[Any], position: int, *, counts: bool) -> int:
    try:
        if counts and projection.tally is not None:
            return write_rows(output, projection.tally.row, counts_as_of(conninfo, projection, position))
        return write_rows(output, projection.row, rows_as_of(conninfo, projection, position))
    except PositionNotInLogError:
        raise Failure("The log does not reach that position.", "position_not_in_log") from None
    except FileFormError as error:
        raise Failure(str(error), "file_form") from None


def _position_at(database: Database, at: datetime) -> int:
    with database.connected(as_projector) as connection:
        return position_at(connection, at)
