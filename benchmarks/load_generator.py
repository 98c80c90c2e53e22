"""Compiles and runs the load generator (load_generator.c), and tells what came of it."""

import functools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from benchmarks.latencies import Latencies

SOURCE = Path(__file__).with_suffix(".c")
COMPILERS = ("cc", "gcc", "clang")
PACKAGES = ("gcc", "libc6-dev")
GRACE_SECONDS = 60.0

NUMBER, SUBJECT, VERSION = "\x01", "\x02", "\x03"
"""What the generator puts a number of its own for, the present subject, and the subject's version."""


class ToolMissingError(Exception):
    """A program that a measurement needs is not here; the message says which, and how to get it."""


class LoadFailedError(Exception):
    """The generator could not do its work."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A request that each connection sends in its turn, and the status that the answer must have."""

    name: str
    status: int
    method: str
    path: str
    headers: Sequence[tuple[str, str]] = ()
    body: str = ""
    next_subject: bool = False
    captures_subject: bool = False
    tells_version: bool = False
    is_immediate: bool = False
    """In an open loop: sent as soon as the step before is answered, by the same connection."""

    def encode(self) -> bytes:
        """The step as the generator reads it."""
        lines = [f"{self.method} {self.path} HTTP/1.1", "Host: 127.0.0.1", *(f"{n}: {v}" for n, v in self.headers)]
        head = "".join(f"{line}\r\n" for line in lines).encode()
        body = self.body.encode()
        letters = {"n": self.next_subject, "c": self.captures_subject, "v": self.tells_version, "i": self.is_immediate}
        flags = "".join(letter for letter, is_set in letters.items() if is_set) or "-"
        return f"step {self.name} {self.status} {flags} {len(head)} {len(body)}\n".encode() + head + body


class Subject(msgspec.Struct, frozen=True):
    """What a request is about: the id of a user, or a path; with its version, if it has one."""

    text: str
    version: int = 0


class StepResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one step: answers that had the expected status, others, and the durations of the former."""

    name: str
    as_expected: int
    other: int
    milliseconds: Latencies


class LoadResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a load. Durations and rate are those of the window; the counts are those of everything sent."""

    seconds: float
    sent: int
    answered: int
    answered_in_window: int
    unanswered: int
    broken_connections: int
    octets_received: int
    processor_seconds: float
    """What the generator itself took of the machine."""
    steps: list[StepResult]
    milliseconds: Latencies
    statuses: dict[str, int]
    first_error: str | None

    @property
    def per_second(self) -> float:
        """Requests that were answered in each second of the window."""
        return self.answered_in_window / self.seconds if self.seconds else 0.0

    @property
    def errors(self) -> int:
        """Requests that were not answered as they must be."""
        return sum(step.other for step in self.steps) + self.unanswered

    def acknowledged(self, *names: str) -> int:
        """Steps of these names that were answered as they must be, in the window or not."""
        return sum(step.as_expected for step in self.steps if step.name in names)

    def step(self, name: str) -> StepResult:
        """The first step of this name."""
        return next(step for step in self.steps if step.name == name)


class LoadGenerator:
    """The compiled program."""

    def __init__(self, program: Path, folder: Path, per_second: float = 0.0) -> None:
        self._program = program
        self._folder = folder
        self._per_second = per_second

    def at(self, per_second: float) -> "LoadGenerator":
        """One whose requests are sent when they are due (an open loop); how long they took counts from then."""
        return LoadGenerator(self._program, self._folder, per_second)

    def run(
        self,
        port: int,
        steps: Iterable[Step],
        subjects: Iterable[Subject],
        *,
        connections: int,
        warm_up_seconds: float,
        seconds: float,
        requests: int = 0,
        staggered: bool = False,
    ) -> LoadResult:
        """Have so many connections carry out the steps, each beginning with another one if staggered."""
        load = Path(tempfile.mkdtemp(prefix="load-", dir=self._folder))
        plan, known = load / "plan", load / "subjects"
        plan.write_bytes(b"".join(step.encode() for step in steps))
        known.write_text("".join(f"{subject.text} {subject.version}\n" for subject in subjects), encoding="ascii")
        numbers = (port, connections, warm_up_seconds, seconds, requests, int(staggered), self._per_second)
        arguments = [str(plan), str(known), "127.0.0.1", *map(str, numbers)]
        finished = subprocess.run(
            [str(self._program), *arguments],
            capture_output=True,
            check=False,
            timeout=warm_up_seconds + seconds + GRACE_SECONDS,
        )
        if finished.returncode:
            raise LoadFailedError(finished.stderr.decode(errors="replace").strip())
        return msgspec.json.decode(finished.stdout, type=LoadResult)


def compiled(folder: Path) -> LoadGenerator:
    """The generator, compiled into a folder. Raises `ToolMissingError` where there is no C compiler."""
    program = folder / "load_generator"
    compiler = _compiler()
    if compiler is None:
        raise ToolMissingError(f"There is no C compiler for the load generator: install {' and '.join(PACKAGES)}.")
    command = [compiler, "-O2", "-o", str(program), str(SOURCE)]
    finished = subprocess.run(command, capture_output=True, check=False)
    if finished.returncode:
        said = finished.stderr.decode(errors="replace").strip()
        raise ToolMissingError(
            f"{compiler} cannot compile the load generator, which is written for Linux: {said[-500:]}"
        )
    return LoadGenerator(program, folder)


@functools.cache
def _compiler() -> str | None:
    found = next(filter(None, map(shutil.which, COMPILERS)), None)
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "install", "-y", "-qq", *PACKAGES], capture_output=True, check=False)
        found = next(filter(None, map(shutil.which, COMPILERS)), None)
    return found
