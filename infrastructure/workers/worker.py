"""The projection worker: keeps every read model at the head of the log, sends mails, seals, rebuilds on request.

Any number of workers may run. Each piece of work is held by a row lock or an advisory lock while a worker does it, so
workers divide it without knowing of each other, and a dead worker's work is free immediately.
"""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Collection, Sequence
from multiprocessing.process import BaseProcess
from typing import Any

import psycopg
import structlog

from application.projections.definition import Projection
from application.read_models import READ_MODELS
from infrastructure.child_processes import end, end_with_parent
from infrastructure.commands.retention import forgetting
from infrastructure.composition import open_commands
from infrastructure.encryption.keychain import grant, granted
from infrastructure.encryption.master_keys import MasterKeys
from infrastructure.log.reader import Connection
from infrastructure.mail import mailer_for, outbox_of
from infrastructure.postgres.connections import as_app, as_projector, as_sealer
from infrastructure.postgres.unavailability import is_unavailable
from infrastructure.privacy.due_deletions import DueDeletions
from infrastructure.privacy.erasure_receipts import noting_erasures, receipts_path
from infrastructure.privacy.sweeping import Sweeping
from infrastructure.projections.follow.dead_letters import TooManyLettersError
from infrastructure.projections.follow.held_streams import follow_past_poison, grant_wishes
from infrastructure.projections.follow.partition_assignment import Share
from infrastructure.projections.follow.throughput import Throughput
from infrastructure.projections.generations import check_definition, ensure_live, note_failure
from infrastructure.projections.partitions import MOST, FencedOffError
from infrastructure.projections.rebuild.rebuild_requests import open_requests, perform_rebuild, request_upgrade
from infrastructure.projections.rebuild.rebuild_watch import is_stalled
from infrastructure.projections.verify.sampling import checking
from infrastructure.proof.checkpointing import Checkpointer
from infrastructure.proof.signing_keys import checkpoint_key_file
from infrastructure.secrets.keyring import load_keyring
from infrastructure.settings import Settings
from infrastructure.users.confirmation_mails import ConfirmationMails
from infrastructure.users.email_tokens import MailedTokens
from infrastructure.workers.duties import Duty
from infrastructure.workers.occasions import Lookout, Occasion
from infrastructure.workers.wake_ups import WakeUpListener

LOOK_SECONDS = 0.25
"""How often a worker looks whether a rebuild still goes on."""
OWN_LOOK_SECONDS = 15.0
"""How often a thread looks for work that nobody has woken it for: nothing should depend on that."""
CLOCK_SECONDS = 1.0
"""How often a thread looks whose work is due by the clock."""
PACE_SECONDS = 0.02
"""The least time from the begin of one piece of work to that of the next one of its kind, while the log grows: what is
recorded meanwhile comes in one batch, whose cost is that of its transaction more than that of its events."""
RETRY_SECONDS = 0.5
"""The pause after an error; it doubles with each error in a row."""
STALLED_REBUILD_SECONDS = 300.0
"""After this time a rebuild that stands still is ended, so that others have a turn, and begun again after them."""
AFTER_FAILED_REBUILD_SECONDS = 2.0
"""The pause after a rebuild that was killed, or could not be begun: the program on disk may be another one by now."""
REBUILD_NICENESS = 10
"""Rebuilds, and the processes that they start, yield to serving and following on the same machine."""
LONGEST_RETRY_SECONDS = 15.0

log = structlog.get_logger(__name__)


def run_worker(
    settings: Settings, conninfo: str, stop: threading.Event, duties: Collection[Duty] = tuple(Duty)
) -> None:
    """Work until asked to stop; a batch in progress is finished first. Raises `DefinitionChangedError` at once."""
    grant(settings)
    projector = as_projector(conninfo)
    _check_definitions(projector, stop)
    wake_ups = WakeUpListener(as_app(conninfo), stop, Lookout(READ_MODELS))
    threads: list[_Thread] = []
    if Duty.READ_MODELS in duties:
        threads += _keeping_read_models(projector, wake_ups, stop)
    if Duty.MAILS in duties:
        threads.append(
            _Thread("confirmation-mails", projector, stop, _mailing(settings), wake_ups.sleeper(Occasion.MAIL))
        )
    if Duty.SEAL in duties:
        checkpointer = Checkpointer(checkpoint_key_file(settings))
        threads.append(
            _Thread("sealer", as_sealer(conninfo), stop, checkpointer.seal_due, wake_ups.sleeper(Occasion.SEALING))
        )
    if Duty.ERASURE in duties:
        due, sweeping = DueDeletions(settings, conninfo, open_commands), Sweeping(outbox_of(settings))
        threads.append(_Thread("due-deletions", projector, stop, due.erase_due))
        threads.append(_Thread("sweeping", projector, stop, sweeping.sweep_next, wake_ups.sleeper(Occasion.SWEEPING)))
    if Duty.RECEIPTS in duties:
        noting = noting_erasures(receipts_path(settings.home))
        threads.append(_Thread("receipts", projector, stop, noting, wake_ups.sleeper(Occasion.LOG)))
    if Duty.RETENTION in duties:
        threads.append(_Thread("retention", projector, stop, forgetting(settings.idempotency_retention)))
    wake_ups.start()
    for thread in threads:
        thread.start()
    stop.wait()
    wake_ups.wake_all()
    for thread in threads:
        thread.join()
    wake_ups.join()


def _keeping_read_models(conninfo: str, wake_ups: WakeUpListener, stop: threading.Event) -> list["_Thread"]:
    return [
        *(
            _Thread(f"follow-{model.name}", conninfo, stop, _following(model), wake_ups.sleeper(*_occasions(model)))
            for model in READ_MODELS.values()
        ),
        _Thread("verify", conninfo, stop, checking()),
        _Thread("rebuilds", conninfo, stop, _rebuilding(conninfo, stop), wake_ups.sleeper(Occasion.REBUILD)),
    ]


def _occasions(model: Projection[Any]) -> tuple[Occasion, ...]:
    return (Occasion.FOLLOWING, Occasion.HINT) if model.hurries else (Occasion.FOLLOWING,)


def _mailing(settings: Settings) -> "Work":
    tokens = MailedTokens(load_keyring(settings.keys, production=settings.production).derive("mailed tokens"))
    return ConfirmationMails(mailer_for(settings), tokens, settings.public_url).send_due


def _check_definitions(conninfo: str, stop: threading.Event) -> None:
    """Raise `DefinitionChangedError` or `KeyUnusableError` if this program must not run with this database.

    One that is not there is waited for.
    """
    while not stop.is_set():
        try:
            with psycopg.connect(conninfo, autocommit=True) as connection:
                MasterKeys().load_now(connection)
                for model in READ_MODELS.values():
                    check_definition(connection, model)
                return
        except psycopg.Error as error:
            if not is_unavailable(error):
                raise
            log.warning(
                "worker.failed", work="check-definitions", error=type(error).__name__, sqlstate=_sqlstate(error)
            )
            stop.wait(RETRY_SECONDS)


Work = Callable[[Connection], bool]
"""Does the next piece of something; false if there is nothing to do now."""


class _Thread(threading.Thread):
    """Does one kind of work, again and again, on a connection of its own: whenever it is woken, or by the clock."""

    def __init__(
        self, name: str, conninfo: str, stop: threading.Event, work: Work, sleeper: threading.Event | None = None
    ) -> None:
        super().__init__(name=name, daemon=True)
        self._conninfo = conninfo
        self._sleeper = sleeper
        self._stop_requested = stop
        self._work = work
        self._pause = RETRY_SECONDS

    def run(self) -> None:
        while not self._stop_requested.is_set():
            try:
                with psycopg.connect(self._conninfo, autocommit=True) as connection:
                    self._work_on(connection)
            except Exception as error:  # noqa: BLE001 - whatever happened, the work has to go on; the pause limits the noise
                log.warning("worker.failed", work=self.name, error=type(error).__name__, sqlstate=_sqlstate(error))
                self._stop_requested.wait(self._pause)
                self._pause = min(2 * self._pause, LONGEST_RETRY_SECONDS)

    def _work_on(self, connection: Connection) -> None:
        while not self._stop_requested.is_set():
            if self._sleeper:
                self._sleeper.clear()
            begin = time.monotonic()
            more = self._work(connection)
            self._pause = RETRY_SECONDS
            if not more:
                self._sleep()
                self._stop_requested.wait(max(0.0, begin + PACE_SECONDS - time.monotonic()))

    def _sleep(self) -> None:
        if self._sleeper:
            self._sleeper.wait(OWN_LOOK_SECONDS)
        else:
            self._stop_requested.wait(CLOCK_SECONDS)


def _following(projection: Projection[Any]) -> Work:
    share, throughput = Share(projection), Throughput(projection)

    def follow(connection: Connection) -> bool:
        live = ensure_live(connection, projection)
        grant_wishes(connection, projection)
        if live.version != projection.version:
            if live.version < projection.version:
                request_upgrade(connection, projection)
            return False  # Whoever has the other version follows it.
        throughput.measure(connection)
        most = share.most(connection, live.generation)
        if not _is_behind(connection, live.name, live.generation):
            return False
        try:
            progress = follow_past_poison(connection, projection, live.generation, most=most)
        except FencedOffError:
            return False
        except TooManyLettersError as error:
            note_failure(connection, live.name, live.generation, str(error))
            raise
        if live.failure and progress is not None:
            note_failure(connection, live.name, live.generation, None)
        # Others may have left partitions behind that are free now.
        return progress is not None and not (progress.is_at_head and most == MOST)

    return follow


def _is_behind(connection: Connection, name: str, generation: int) -> bool:
    row = connection.execute(
        'SELECT h."position" > g."position" FROM log.tip h, projection.standing g '
        "WHERE g.name = %s AND g.generation = %s",
        (name, generation),
        prepare=True,
    ).fetchone()
    return bool(row and row[0])


def _rebuilding(conninfo: str, stop: threading.Event) -> Work:
    """Rebuilds run in a process of their own, so that following does not wait for them."""
    spawn = multiprocessing.get_context("spawn")

    def rebuild(connection: Connection) -> bool:
        for name in open_requests(connection):
            # Not a daemon: those may not have processes of their own, which fill the parts.
            process = spawn.Process(target=_rebuild_for, args=(conninfo, name, granted()))
            process.start()
            try:
                _attend(process, connection, name, stop)
            finally:
                # The request stays open; whoever works next goes on with the rebuild.
                end(process)
            if process.exitcode:
                stop.wait(AFTER_FAILED_REBUILD_SECONDS)
        return False

    return rebuild


def _attend(process: BaseProcess, connection: Connection, name: str, stop: threading.Event) -> None:
    """Wait until a rebuild ends by itself, is to be stopped, or has stood still for long enough: others wait, too."""
    next_check = time.monotonic() + STALLED_REBUILD_SECONDS
    while process.is_alive() and not stop.is_set():
        process.join(LOOK_SECONDS)
        if time.monotonic() > next_check:
            if is_stalled(connection, name):
                log.warning("worker.rebuild_stalled", model=name)
                return
            next_check = time.monotonic() + STALLED_REBUILD_SECONDS


def _rebuild_for(conninfo: str, name: str, grants: Sequence[Settings]) -> None:
    """Rebuild as long as the worker lives that asked for it."""
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(REBUILD_NICENESS)
    for settings in grants:
        grant(settings)
    if perform_rebuild(conninfo, name) is None:
        raise SystemExit(1)


def _sqlstate(error: Exception) -> str | None:
    return error.sqlstate if isinstance(error, psycopg.Error) else None
