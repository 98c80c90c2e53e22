"""`reprise projections`: where the read models stand, and how they are made again, checked and repaired."""

import asyncio
import time
from typing import Any, Self
from uuid import UUID

import psycopg
from cyclopts import App
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from api.cli.failures import Failure, NotFound
from api.cli.projection_as_of import as_of
from api.cli.projection_letters import letters, must_be_known, resolve, retry
from api.cli.projection_verify import verify, write_differences
from api.cli.terminal import console, say, shown, write_json, write_table
from application.queries import ProjectionStatus, RebuildStatus
from infrastructure.connections import APP_ROLE, as_projector, in_role, reading_pool
from infrastructure.database import migrated_database, require_data
from infrastructure.log_reader import PoisonEventError
from infrastructure.logins import Login
from infrastructure.projections.rebuild_requests import perform_rebuild, request_rebuild
from infrastructure.projections.rebuilding import NothingToRollBackToError, RebuildProgress
from infrastructure.projections.verifying import RowDiffersError
from infrastructure.queries.projections import ProjectionQueries
from infrastructure.settings import settings_from

app = App(name="projections", help="Look at the read models; rebuild, check and repair them.")

REQUESTED_BY = "system:cli"
LOOK_SECONDS = 0.2
"""Between two looks at a rebuild that somebody else carries out."""
ENDED = frozenset({"succeeded", "failed"})


@app.command(name="list")
def list_projections(*, json: bool = False) -> None:
    """Tell where each read model stands: how far it has come, and whether it is healthy.

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
    """Make a read model again from the log, beside the present one, which serves until the new one takes its place.

    If the rebuild is under way already, in a worker perhaps, this follows it to its end.

    Parameters
    ----------
    name
        The read model: `reprise projections list` tells their names.
    rollback
        Go back to the rows from before the last rebuild instead, once they have caught up. Doing it again undoes it.
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
        raise Failure(f"The rebuild failed, and nothing has changed: {status.failure}.", "rebuild_failed")
    if json:
        write_json(status)
    elif status.is_rollback:
        say(f"{name} is what it was before the last rebuild, and up to date.")
    else:
        say(f"{name} is rebuilt: {shown(status.rows_written)} rows of {shown(status.events_total)} events.")


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
        raise NotFound("The rebuild is not on record any more.")
    return status


def _rebuilt(conninfo: str, request: UUID, name: str, bar: "_Bar") -> RebuildStatus:
    """Carry the rebuild out, or watch the worker that was faster, and step in if that one dies."""
    while True:
        try:
            perform_rebuild(conninfo, name, bar.show)
        except RowDiffersError as error:
            bar.hide()
            write_differences([error.difference])
        except (PoisonEventError, NothingToRollBackToError):
            pass  # It is on record with the rebuild.
        status = asyncio.run(_status(conninfo, request))
        if status.state in ENDED:
            return status
        bar.show(status)
        time.sleep(LOOK_SECONDS)


class _Bar:
    """A progress bar, where there is a terminal to show it on."""

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
        """Make room for something else."""
        self._progress.stop()

    def show(self, progress: RebuildProgress | RebuildStatus) -> None:
        """Show how far it has come."""
        self._progress.update(
            self._task,
            description=(progress.phase or "requested").replace("_", " "),
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
