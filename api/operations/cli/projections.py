"""`reprise projections`: the read models; how to rebuild, check and repair them."""

import asyncio
import time
from typing import Any, Self
from uuid import UUID

import psycopg
from cyclopts import App
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from api.cli.failures import Failure, NotFound
from api.cli.terminal import console, say, shown, write_json, write_table
from api.operations.cli.projection_as_of import as_of
from api.operations.cli.projection_letters import letters, must_be_known, resolve, retry
from api.operations.cli.projection_verify import verify, write_differences
from application.operations.queries import ProjectionStatus, RebuildStatus
from infrastructure.log.reader import PoisonEventError
from infrastructure.operations.projections import ProjectionQueries
from infrastructure.postgres.connections import APP_ROLE, as_projector, in_role, reading_pool
from infrastructure.postgres.database import migrated_database, require_data
from infrastructure.postgres.logins import Login
from infrastructure.projections.rebuild.rebuild_requests import perform_rebuild, request_rebuild
from infrastructure.projections.rebuild.rebuilding import NothingToRollBackToError, RebuildProgress
from infrastructure.projections.verify.verifying import RowDiffersError
from infrastructure.settings import settings_from

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
    settings = settings_from()
    require_data(settings)
    with migrated_database(settings, Login.API) as conninfo:
        statuses = asyncio.run(_statuses(conninfo))
    if json:
        write_json({"items": statuses})
    else:
        columns = ("name", "version", "generation", "position", "behind", "per s", "letters", "rows", "MB", "health")
        write_table(columns, map(_row, statuses))


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
    settings = settings_from()
    require_data(settings)
    with migrated_database(settings, Login.WORKER) as conninfo:
        with psycopg.connect(as_projector(conninfo), autocommit=True) as connection:
            request = request_rebuild(connection, name, REQUESTED_BY, is_rollback=rollback)
        with _Bar() as bar:
            status = _rebuilt(conninfo, request, name, bar)
    if status.state != "succeeded":
        has_letter = (status.failure or "").startswith(PoisonEventError.__name__)
        hint = f" `reprise projections letters {name}` has a letter about it." if has_letter else ""
        raise Failure(f"The rebuild failed and changed nothing: {status.failure}.{hint}", "rebuild_failed")
    if json:
        write_json(status)
    elif status.is_rollback:
        say(f"{name} uses its rows from before the last rebuild again, brought up to date.")
    else:
        say(f"Rebuilt {name}: {shown(status.rows_written)} rows from {shown(status.events_total)} events.")


app.command(verify)
app.command(as_of, name="as-of")
app.command(letters)
app.command(retry)
app.command(resolve)


async def _statuses(conninfo: str) -> list[ProjectionStatus]:
    async with reading_pool(in_role(conninfo, APP_ROLE), 1) as pool:
        return await ProjectionQueries(pool).statuses()


async def _status(conninfo: str, request: UUID) -> RebuildStatus:
    async with reading_pool(in_role(conninfo, APP_ROLE), 1) as pool:
        status = await ProjectionQueries(pool).rebuild(request)
    if status is None:
        raise NotFound("The rebuild is no longer recorded.")
    return status


def _rebuilt(conninfo: str, request: UUID, name: str, bar: "_Bar") -> RebuildStatus:
    """Perform the rebuild, or watch the worker that performs it and take over if that one dies."""
    while True:
        try:
            perform_rebuild(conninfo, name, bar.show)
        except RowDiffersError as error:
            bar.hide()
            write_differences([error.difference])
        except (PoisonEventError, NothingToRollBackToError):
            pass  # It is recorded with the rebuild.
        status = asyncio.run(_status(conninfo, request))
        if status.state in ENDED:
            return status
        bar.show(status)
        time.sleep(LOOK_SECONDS)


class _Bar:
    """A progress bar, shown on terminals only."""

    def __init__(self) -> None:
        shown_on = console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.completed:,} of {task.total:,} events"),
            TimeRemainingColumn(),
            console=shown_on,
            transient=True,
            disable=not shown_on.is_terminal,
        )
        self._task = self._progress.add_task("requested", total=0)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def hide(self) -> None:
        """Remove the bar, to make room for other output."""
        self._progress.stop()

    def show(self, progress: RebuildProgress | RebuildStatus) -> None:
        """Show the progress."""
        self._progress.update(
            self._task,
            description=(progress.phase or "requested").replace("_", " ")
            + (f", waiting for {progress.waiting_for}" if progress.waiting_for else ""),
            completed=progress.events_done,
            total=progress.events_total,
        )


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
