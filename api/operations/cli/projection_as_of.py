"""`reprise projections as-of`: a whole read model as of a moment."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import psycopg
from cyclopts import Parameter
from cyclopts.types import NonNegativeInt

from api.access_records.cli.recording import put_file_on_record
from api.cli.failures import ExitCode, Failure
from api.cli.terminal import say, shown, write_json
from api.cli.values import instant
from api.operations.cli.projection_letters import must_be_known
from application.projections.definition import Projection
from application.read_models import READ_MODELS
from infrastructure.files.row_files import FileFormError, write_rows
from infrastructure.postgres.connections import as_projector
from infrastructure.postgres.database import migrated_database, require_data
from infrastructure.postgres.logins import Login
from infrastructure.projections.rebuild.as_of import PositionNotInLogError, counts_as_of, position_at, rows_as_of
from infrastructure.settings import settings_from


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
    settings = settings_from()
    require_data(settings)
    with migrated_database(settings, Login.WORKER) as conninfo:
        upto = _position_at(conninfo, at) if at is not None else position or 0
        written = _write(output, conninfo, projection, upto, counts=counts)
        if not counts:
            asyncio.run(put_file_on_record(settings, conninfo, [], f"{name} as of position {upto}"))
    what = "counts" if counts else "rows"
    if json:
        write_json({"name": name, "position": upto, what: written, "output": str(output)})
    else:
        say(f"{shown(written)} {what} of {name} as of position {shown(upto)} are in {output}.")


def _write(output: Path, conninfo: str, projection: Projection[Any], position: int, *, counts: bool) -> int:
    conninfo = as_projector(conninfo)
    try:
        if counts and projection.tally is not None:
            return write_rows(output, projection.tally.row, counts_as_of(conninfo, projection, position))
        return write_rows(output, projection.row, rows_as_of(conninfo, projection, position))
    except PositionNotInLogError:
        raise Failure("The log does not reach that position.", "position_not_in_log") from None
    except FileFormError as error:
        raise Failure(str(error), "file_form") from None


def _position_at(conninfo: str, at: datetime) -> int:
    with psycopg.connect(as_projector(conninfo), autocommit=True) as connection:
        return position_at(connection, at)
