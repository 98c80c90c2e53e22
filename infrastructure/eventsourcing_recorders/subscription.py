"""Follows the log from a position on, as it grows."""

from collections.abc import Generator, Sequence
from threading import Event, Lock
from typing import Any

from eventsourcing.persistence import ApplicationRecorder, Notification, Subscription

from infrastructure.eventsourcing_recorders.hints import AppendListener

BATCH_SIZE = 500
POLL_SECONDS = 0.1
"""How late an event can be whose hint was lost, and how late a waiting iteration notices that it was stopped."""


class LogSubscription(Subscription[ApplicationRecorder]):
    """Yields each notification once, in order; survives a lost connection to the database."""

    def __init__(
        self, recorder: ApplicationRecorder, conninfo: str, gt: int | None = None, topics: Sequence[str] = ()
    ) -> None:
        super().__init__(recorder=recorder, gt=gt, topics=topics)
        self._conninfo = conninfo
        self._position = gt or 0
        self._stopped = Event()
        self._iterating = Lock()
        self._notifications = self._follow()

    def __next__(self) -> Notification:
        """Wait for the next notification. Raises `StopIteration` once the subscription was stopped."""
        with self._iterating:
            if self._stopped.is_set():
                self._notifications.close()
            return next(self._notifications)

    def stop(self) -> None:
        """End the iteration, now or, if another thread waits in it, as soon as that notices."""
        super().stop()
        self._stopped.set()
        if self._iterating.acquire(blocking=False):
            self._notifications.close()
            self._iterating.release()

    def __exit__(self, *args: object, **kwargs: Any) -> None:
        """Stop, and return when the last connection is closed."""
        super().__exit__(*args, **kwargs)
        with self._iterating:
            self._notifications.close()

    def _follow(self) -> Generator[Notification]:
        with AppendListener(self._conninfo, self._stopped) as listener:
            while not self._stopped.is_set():
                batch = self._next_batch()
                yield from batch
                if len(batch) < BATCH_SIZE:
                    listener.wait(POLL_SECONDS)

    def _next_batch(self) -> Sequence[Notification]:
        head = self._recorder.max_notification_id() or 0
        batch = self._recorder.select_notifications(
            self._position, BATCH_SIZE, topics=self._topics, inclusive_of_start=False
        )
        if batch:
            self._position = batch[-1].id
        if len(batch) < BATCH_SIZE:
            # Everything up to the head has been seen or is of other topics, so it is not searched again.
            self._position = max(self._position, head)
        return batch
