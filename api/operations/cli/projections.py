"""`reprise projections`: the read models; how to rebuild, check and repair them."""

import time
from typing import Any
from uuid import UUID

from cyclopts import App

from api.cli.database import Database, open_database
from api.cli.failures import Failure, NotFound
from api.cli.progress import EventProgress
from api.cli.terminal import Rows, answer, shown, write_table
from api.operations.cli.projection_as_of import as_of
from api.operations.cli.projection_letters import letters, must_be_known, resolve, retry
from api.operations.cli.projection_verify import differing_rows, verify
from application.operations.queries import ProjectionStatus, RebuildStatus
from infrastructure.log.reader import PoisonEventError
from infrastructure.operations.projections import ProjectionQueries
from infrastructure.postgres.connections import as_projector
from infrastructure.postgres.logins import Login
from infrastructure.projections.rebuild.rebuild_requests import perform_rebuild, request_rebuild
from infrastructure.projections.rebuild.rebuilding import NothingToRollBackToError, RebuildProgress
from infrastructure.projections.verify.verifying import RowDiffersError

app = App(name="projections", help="Show, rebuild, check and repair read models.")

REQUESTED_BY = "system:cli"
LOOK_SECONDS = 0.2
"""How often to check on a rebuild that another process performs."""
ENDED = frozenset({"succeeded", "failed"})


@app.command(name="list")
def list_projections(*, json: bool = False) -> None:
    """Show the position and health of each read model.

    Parameters
    ----------
    json
        Write JSON.

    """
    with open_database(Login.API) as database:
        statuses = database.with_pool(lambda pool: ProjectionQueries(pool).statuses())
    columns = ("name", "version", "generation", "position", "behind", "per s", "letters", "rows", "MB", "health")
    answer({"items": statuses}, Rows(columns, map(_row, statuses)), json=json)


@app.command
def rebuild(name: str, /, *, rollback: bool = False, json: bool = False) -> None:
    """Rebuild a read model from the log, while the current one stays in use.

    If a rebuild is already running, for example in a worker, this waits for it to end.

    Parameters
    ----------
    name
        The read model; `reprise projections list` shows the names.
    rollback
        Go back to the rows from before the last rebuild instead, brought up to date. Running it again undoes it.
    json
        Write JSON.

    """
    must_be_known(name)
    with open_database(Login.WORKER) as database:
        with database.connected(as_projector) as connection:
            request = request_rebuild(connection, name, REQUESTED_BY, is_rollback=rollback)
        with EventProgress("requested") as progress:
            status = _rebuilt(database, request, name, progress)
    if status.state != "succeeded":
        has_letter = (status.failure or "").startswith(PoisonEventError.__name__)
        hint = f" `reprise projections letters {name}` has a letter about it." if has_letter else ""
        raise Failure(f"The rebuild failed and changed nothing: {status.failure}.{hint}", "rebuild_failed")
    answer(
        status,
        f"{name} uses its rows from before the last rebuild again, brought up to date."
        if status.is_rollback
        else f"Rebuilt {name}: {shown(status.rows_written)} rows from {shown(status.events_total)} events.",
        json=json,
    )


app.command(verify)
app.command(as_of, name="as-of")
app.command(letters)
app.command(retry)
app.command(resolve)


def _status(database: Database, request: UUID) -> RebuildStatus:
    status = database.with_pool(lambda pool: ProjectionQueries(pool).rebuild(request))
    if status is None:
        raise NotFound("The rebuild is no longer recorded.")
    return status


def _rebuilt(database: Database, request: UUID, name: str, progress: EventProgress) -> RebuildStatus:
    """Perform the rebuild, or watch the worker that performs it and take over if that one dies."""

    def show(reached: RebuildProgress | RebuildStatus) -> None:
        waiting = f", waiting for {reached.waiting_for}" if reached.waiting_for else ""
        phase = (reached.phase or "requested").replace("_", " ") + waiting
        progress.show(reached.events_done, reached.events_total, phase)

    while True:
        try:
            perform_rebuild(database.conninfo, name, show)
        except RowDiffersError as error:
            progress.hide()
            write_table(*differing_rows([error.difference]))
        except (PoisonEventError, NothingToRollBackToError):
            pass  # It is recorded with the rebuild.
        status = _status(database, request)
        if status.state in ENDED:
            return status
        show(status)
        time.sleep(LOOK_SECONDS)


def _row(status: ProjectionStatus) -> tuple[Any, ...]:
    return (
        status.name,
        status.version,
        status.generation,
        status.position,
        f"{shown(status.lag_events)} ({shown(status.lag_seconds)} s)" if status.lag_events else 0,
        round(status.events_per_second),
        status.letters,
        status.rows,
        round(status.size_bytes / 1_000_000, 1),
        "healthy" if status.healthy else status.failure,
    )
