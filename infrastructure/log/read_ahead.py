"""Lets the database work on the next piece while Python works on the one before."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")


class ReadAhead:
    """A thread that waits for the database, one call at a time; it ends with its context."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="read-ahead")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._thread.shutdown()

    def begin(self, call: Callable[..., T], *arguments: Any) -> Future[T]:
        """Begin a call that leaves Python to others while it waits, and come back when it has begun.

        The interpreter's lock is given to another thread after 5 ms at the earliest if the one that has it does not
        wait for anything: without that wait, a piece that is done sooner would be worked on before the next is asked
        for.
        """
        has_begun = Event()

        def run() -> T:
            has_begun.set()
            return call(*arguments)

        result = self._thread.submit(run)
        has_begun.wait()
        return result
