"""`reprise serve`, `reprise project` and `reprise migrate`: what `reprise run` starts, each by itself."""

import os
import signal
import threading
from types import FrameType

from cyclopts.types import PositiveInt
from msgspec.structs import replace

from api.cli.failures import ExitCode
from api.cli.ports import free_port
from api.cli.terminal import say, write_json
from api.cli.values import Port, settings_for
from infrastructure.database import migrate_embedded, migrated_database, owners_database
from infrastructure.logins import Login, check_login
from infrastructure.projections.duties import Duty
from infrastructure.schema import migrate as apply_migrations
from infrastructure.settings import settings_from

WORKER_NICENESS = 10
"""On a machine that is short of processors, people who wait for an answer go before read models."""
ENDED_BY_SIGNAL = {128 + signal.SIGTERM, 128 + signal.SIGHUP}


def serve(*, host: str | None = None, port: Port | None = None, workers: PositiveInt = 1) -> int:
    """Serve the HTTP API.

    Any number of these processes may run, each at its own port. It logs to standard error, in JSON. SIGTERM and Ctrl-C
    let the requests under way finish.

    Parameters
    ----------
    host
        The address to listen at (REPRISE_HOST, else 127.0.0.1).
    port
        The port to listen at (REPRISE_PORT, else 8000).
    workers
        How many processes share the port.

    """
    from api.logs import configure_logging
    from api.main import serve as serve_api
    from infrastructure.backups.replaying import bring_nobody_back
    from infrastructure.claims.key_in_force import check_claims_key
    from infrastructure.token_keys import check_issuer

    configure_logging()
    settings = settings_for(host, port)
    check_issuer(settings)
    command = ["serve", *(["--host", host] if host else []), *(["--workers", str(workers)] if workers > 1 else [])]
    settings = replace(settings, port=free_port(settings.host, settings.port, command))
    with migrated_database(settings, Login.API) as conninfo:
        check_login(conninfo, Login.API, production=settings.production)
        check_claims_key(settings, conninfo)
        bring_nobody_back(settings, conninfo)
        try:
            serve_api(settings, conninfo, workers)
        except (KeyboardInterrupt, SystemExit) as end:
            if isinstance(end, SystemExit) and end.code not in ENDED_BY_SIGNAL:
                raise
            return ExitCode.DONE
    # Nobody asked it to stop; why it could not start is in its log. Several workers are stopped without an exception.
    return ExitCode.FAILED if workers == 1 else ExitCode.DONE


def project(*, duty: list[Duty] | None = None) -> None:
    """Keep the read models at the head of the log, seal the log, and send mails.

    Any number of these processes may run; they share out the work. It logs to standard error, in JSON. SIGTERM and
    Ctrl-C let a batch under way finish.

    Parameters
    ----------
    duty
        Do this kind of work only: read-models, seal, mails, receipts or retention. May be given again; some process
        has to do each of them.

    """
    from api.logs import configure_logging
    from infrastructure.backups.replaying import bring_nobody_back
    from infrastructure.claims.key_in_force import check_claims_key
    from infrastructure.projections.worker import run_worker

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
        # Nothing else that a worker does has to do with claims, and it may not even have been given the key.
        if Duty.ERASURE in (duty or Duty):
            check_claims_key(settings, conninfo)
        bring_nobody_back(settings, conninfo)
        run_worker(settings, conninfo, stop, duty or tuple(Duty))


def migrate(*, json: bool = False) -> None:
    """Bring the database to the schema that this version needs.

    Applies what is missing, in order. Safe to run by many at once, and while an older version is running.

    Parameters
    ----------
    json
        Write JSON.

    """
    settings = settings_from()
    with owners_database(settings) as conninfo:
        applied = (migrate_embedded if settings.is_embedded else apply_migrations)(conninfo)
    if json:
        write_json({"applied": applied})
        return
    for name in applied:
        say(f"applied {name}")
    if not applied:
        say("The schema is up to date.")
