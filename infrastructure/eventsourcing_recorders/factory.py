"""Builds the recorders from the environment that the library passes on."""

from types import TracebackType
from typing import Any, TypeVar

from eventsourcing.persistence import InfrastructureFactory, ProgrammingError
from eventsourcing.utils import Environment, EnvType, resolve_topic

from infrastructure.eventsourcing_recorders.datastore import Datastore
from infrastructure.eventsourcing_recorders.log_recorders import LogAggregateRecorder, LogApplicationRecorder
from infrastructure.eventsourcing_recorders.process_recorder import LogProcessRecorder
from infrastructure.eventsourcing_recorders.snapshots import SnapshotRecorder
from infrastructure.eventsourcing_recorders.streams import StreamRecorder
from infrastructure.eventsourcing_recorders.tracking import LogTrackingRecorder

_Recorder = TypeVar("_Recorder")
_TrackingRecorder = TypeVar("_TrackingRecorder", bound=LogTrackingRecorder)


class Factory(InfrastructureFactory[Any]):
    """One database and one pool of connections for the recorders of an application or a projection.

    Raises `OSError` if the environment does not say which database, as the library's own factories do.
    """

    DATABASE_URL = "REPRISE_DATABASE_URL"
    POOL_SIZE = "REPRISE_POOL_SIZE"
    """The number of connections at most, 10 if not given."""

    def __init__(self, env: Environment | EnvType | None) -> None:
        super().__init__(env)
        database_url = self.env.get(self.DATABASE_URL)
        if not database_url:
            raise OSError(f"{self.DATABASE_URL} is not in the environment.")
        self.datastore = Datastore(database_url, self._pool_size())

    def _pool_size(self) -> int:
        given = self.env.get(self.POOL_SIZE) or "10"
        if not given.isdecimal() or int(given) < 1:
            raise OSError(f"{self.POOL_SIZE} is {given!r}, not a number of connections.")
        return int(given)

    def aggregate_recorder(self, purpose: str = "events") -> StreamRecorder:
        """Records `events` in the log, or `snapshots` beside it."""
        recorder_classes = {"events": LogAggregateRecorder, "snapshots": SnapshotRecorder}
        if purpose not in recorder_classes:
            raise ProgrammingError(f"There is no table for {purpose}.")
        return recorder_classes[purpose](self.datastore, self.env.name)

    def application_recorder(self) -> LogApplicationRecorder:
        """Records events in the log, and follows it."""
        return self._class_from(self.APPLICATION_RECORDER_TOPIC, LogApplicationRecorder)(self.datastore, self.env.name)

    def tracking_recorder(self, tracking_recorder_class: type[_TrackingRecorder] | None = None) -> _TrackingRecorder:
        """Records how far the projection of this name has got; in a view, if a class of that kind is given."""
        recorder_class: type[Any] = tracking_recorder_class or self._class_from(
            self.TRACKING_RECORDER_TOPIC, LogTrackingRecorder
        )
        recorder: _TrackingRecorder = recorder_class(self.datastore, self.env.name)
        return recorder

    def process_recorder(self) -> LogProcessRecorder:
        """Records events in the log together with how far the application of this name has followed another."""
        return self._class_from(self.PROCESS_RECORDER_TOPIC, LogProcessRecorder)(self.datastore, self.env.name)

    def _class_from(self, topic_key: str, default: type[_Recorder]) -> type[_Recorder]:
        topic = self.env.get(topic_key)
        recorder_class: type[Any] = resolve_topic(topic) if topic else default
        if not issubclass(recorder_class, default):
            raise OSError(f"{topic_key} names {recorder_class.__qualname__}, which is no {default.__qualname__}.")
        return recorder_class

    def close(self) -> None:
        """Close the connections."""
        self.datastore.close()

    def __exit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        """Close the connections."""
        super().__exit__(exc_type, exc_val, exc_tb)
        self.close()
