"""The processes that fill parts in parallel: none outlives the rebuild, and one that dies is replaced.

Each has a pipe of its own, so that whatever happens to one, even in the middle of a word, disturbs no other: what all
share, a lock or a queue, is what pools of processes hang on when one of them is killed.
"""

import gc
import multiprocessing
import signal
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Protocol

import msgspec

from infrastructure.child_processes import end, end_with_parent
from infrastructure.encryption.keychain import grant, granted
from infrastructure.projections.rebuild.folding import OnEvents
from infrastructure.projections.rebuild.parts import Part
from infrastructure.settings import Settings

MOST_DEATHS = 3
"""After so many in a row, further processes would only die of the same."""


class Job(msgspec.Struct, frozen=True):
    """What a crew is there for: to fill a generation of a read model."""

    conninfo: str
    name: str
    fingerprint: str
    generation: int


class Filler(Protocol):
    """Fills a part in a process of the crew; an import finds it there."""

    def __call__(self, job: Job, part: Part, on_events: OnEvents, /) -> None: ...


class FillingDiedError(Exception):
    """Processes died one after another while they filled parts; for want of memory, most likely."""

    def __init__(self, exit_code: int | None) -> None:
        super().__init__(f"{MOST_DEATHS} processes died while they filled it, the last with exit code {exit_code}")


def fill_in_parallel(job: Job, filler: Filler, processes: int, parts: Sequence[Part], on_events: OnEvents) -> None:
    """Have several processes fill parts; `on_events` is called with the events done, negative if that was in vain.

    Raises what the filler raises, and `FillingDiedError`. No process is left in either case.
    """
    waiting, deaths = list(reversed(parts)), 0
    crew: dict[object, _Member] = {}
    try:
        while waiting or crew:
            while waiting and len(crew) < processes:
                new = _Member(job, filler, waiting.pop())
                crew[new.pipe] = new
            for pipe in wait([member.pipe for member in crew.values()]):
                member = crew[pipe]
                on_events(member.hear())
                if member.is_dead:
                    waiting.append(member.part)
                    deaths += 1
                    if deaths == MOST_DEATHS:
                        raise FillingDiedError(member.exit_code)
                elif member.is_at_work:
                    continue
                else:
                    deaths = 0
                    if waiting:
                        member.begin(waiting.pop())
                        continue
                crew.pop(pipe).dismiss()
    finally:
        for member in crew.values():
            member.dismiss()


class _Member:
    """A process and the part that it is at."""

    def __init__(self, job: Job, filler: Filler, part: Part) -> None:
        spawn = multiprocessing.get_context("spawn")
        self.pipe, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_work, args=(theirs, job, filler, granted()), daemon=True)
        self._process.start()
        theirs.close()  # So that its end is the end of the pipe.
        self.begin(part)

    def begin(self, part: Part) -> None:
        """Have it fill a part."""
        self.part = part
        self.is_at_work, self.is_dead = True, False
        self._counted = 0
        with suppress(OSError):  # It has died; that is heard.
            self.pipe.send(part)

    def hear(self) -> int:
        """How many events it has done since it was last heard, all of the part taken back if it has died over it.

        Waits for what it says next. Raises what it met.
        """
        try:
            said = self.pipe.recv()
        except (EOFError, OSError):
            self.is_dead = True
            return -self._counted
        if isinstance(said, Exception):
            raise said
        if said is None:
            self.is_at_work = False
            return 0
        self._counted += said
        return int(said)

    @property
    def exit_code(self) -> int | None:
        """How it ended; None if it has not."""
        self._process.join(1)
        return self._process.exitcode

    def dismiss(self) -> None:
        """End it, whatever it is at."""
        self.pipe.close()
        end(self._process)


def _work(pipe: Connection, job: Job, filler: Filler, grants: Sequence[Settings]) -> None:
    """Be a member: take a part, say how many events are done, and None at its end or what went wrong."""
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for settings in grants:
        grant(settings)
    # Rows are made by the million and none of them is garbage: looking for it takes a fifth of the time.
    gc.disable()
    with suppress(EOFError):
        while True:
            part = pipe.recv()
            try:
                filler(job, part, pipe.send)
            except Exception as error:  # noqa: BLE001 - told to the rebuild, which raises it
                pipe.send(error)
            else:
                pipe.send(None)
