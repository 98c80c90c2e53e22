"""`reprise serve`, `reprise project` and `reprise migrate`: the parts of `reprise run`, one by one."""

import os
import signal
import threading
from types import FrameType

from cyclopts.types import PositiveInt
from msgspec.structs import replace

from api.cli.failures import ExitCode
from api.cli.terminal import answer
from api.cli.values import Port, settings_for
from api.processes.ports import free_port
from infrastructure.postgres.database import migrate_owned, migrated_database, owners_database
from infrastructure.postgres.logins import Login, check_login
from infrastructure.postgres.roles import others_with_roles_of
from infrastructure.settings import settings_from
from infrastructure.workers.duties import Duty

WORKER_NICENESS = 10
"""Where processors are scarce, requests take precedence over read models."""
ENDED_BY_SIGNAL = {128 + signal.SIGTERM, 128 + signal.SIGHUP}


def serve(*, host: str | None = None, port: Port | None = None, workers: PositiveInt = 1) -> int:
    """Serve the HTTP API.

    Any number of these processes may run, each on its own port. Each logs to standard error, in JSON. On SIGTERM and
    Ctrl-C it finishes the requests in progress.

    Parameters
    ----------
    host
        The address to listen on (default: REPRISE_HOST, or 127.0.0.1).
    port
        The port to listen on (default: REPRISE_PORT, or 8000); 0 for any free one.
    workers
        How many processes share the port.

    """
    from api.http.logs import configure_logging
    from api.main import serve as serve_api
    from infrastructure.composition import open_commands
    from infrastructure.privacy.erasing_again import bring_nobody_back
    from infrastructure.tokens.keys import check_issuer
    from infrastructure.users.claims.key_in_force import check_claims_key

    configure_logging()
    settings = settings_for(host, port)
    check_issuer(settings)
    command = ["serve", *(["--host", host] if host else []), *(["--workers", str(workers)] if workers > 1 else [])]
    settings = replace(settings, port=free_port(settings.host, settings.port, command))
    with migrated_database(settings, Login.API) as conninfo:
        check_login(conninfo, Login.API, production=settings.production)
        check_claims_key(settings, conninfo)
        bring_nobody_back(settings, conninfo, open_commands)
        try:
            serve_api(settings, conninfo, workers)
        except (KeyboardInterrupt, SystemExit) as end:
            if isinstance(end, SystemExit) and end.code not in ENDED_BY_SIGNAL:
                raise
            return ExitCode.DONE
    # Not stopped by a signal: the log says why it could not start. Several workers are stopped without an exception.
    return ExitCode.FAILED if workers == 1 else ExitCode.DONE


def project(*, duty: list[Duty] | None = None) -> None:
    """Run a worker: read models, checkpoints, mails, erasures.

    Any number of workers may run; they divide the work among themselves. A worker logs to standard error, in JSON. On
    SIGTERM and Ctrl-C it finishes its current batch.

    Parameters
    ----------
    duty
        Do only this duty: read-models (read models and rebuilds), seal (the Merkle tree and checkpoints), mails,
        erasure (erase people whose grace period has ended), receipts (of erasures) or retention (delete old
        idempotency keys). Can be repeated. Each duty needs at least one worker.

    """
    from api.http.logs import configure_logging
    from infrastructure.composition import open_commands
    from infrastructure.privacy.erasing_again import bring_nobody_back
    from infrastructure.users.claims.key_in_force import check_claims_key
    from infrastructure.workers.worker import run_worker

    configure_logging()
    os.nice(WORKER_NICENESS)
    settings = settings_from()
    stop = threading.Event()

    def stop_soon(_: int, __: FrameType | None) -> None:
        stop.set()

    with migrated_database(settings, Login.WORKER) as conninfo:
        check_login(conninfo, Login.WORKER, production=settings.production)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, stop_soon)
        # No other duty uses claims, and such a worker need not have the key.
        if Duty.ERASURE in (duty or Duty):
            check_claims_key(settings, conninfo)
        bring_nobody_back(settings, conninfo, open_commands)
        run_worker(settings, conninfo, stop, duty or tuple(Duty))


def migrate(*, json: bool = False) -> None:
    """Migrate the database to the schema of this version.

    Applies missing migrations in order. Safe to run several times at once, and while an older version is running.

    Parameters
    ----------
    json
        Write JSON.

    """
    settings = settings_from()
    with owners_database(settings) as conninfo:
        applied, others = migrate_owned(settings, conninfo), others_with_roles_of(conninfo)
    answer(
        {"applied": applied, "rolesSharedWith": others},
        *([f"applied {name}" for name in applied] or ["The schema is up to date."]),
        f"Its roles also have rights in {', '.join(others)}: see `reprise roles separate`." if others else None,
        json=json,
    )
