"""The database as the recorders use it: a pool of connections, and the library's names for what can go wrong."""

import weakref
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import psycopg
from eventsourcing import persistence
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool, PoolTimeout

from infrastructure.postgres.connections import APP_ROLE, in_role

POOL_TIMEOUT_SECONDS = 30.0
"""For how long a call waits for a connection, and so for a database that is being restarted."""
ATTEMPTS = 10
"""How often a call is tried when each time the connection is lost."""

Connection = psycopg.Connection[TupleRow]


class ConnectionLostError(persistence.OperationalError):
    """The connection broke; what was sent last was either done or not."""


class Datastore:
    """Hands out connections in autocommit mode, in the application's role."""

    def __init__(self, database_url: str, pool_size: int) -> None:
        # Views of the library's users are tables of their own, in schemas of their own.
        self.conninfo = in_role(database_url, APP_ROLE, search_path=None)
        self._pool = ConnectionPool(
            self.conninfo,
            kwargs={"autocommit": True},
            min_size=1,
            max_size=pool_size,
            open=False,
            timeout=POOL_TIMEOUT_SECONDS,
            configure=_configure,
        )
        # The library's runners drop factories without closing them.
        self._close = weakref.finalize(self, self._pool.close)

    @contextmanager
    def connection(self) -> Generator[Connection]:
        """A connection that goes back to the pool afterwards. Raises the library's errors instead of psycopg's."""
        with _library_errors():
            self._pool.open()
            with self._pool.connection() as connection, _noticing_its_loss(connection):
                yield connection

    @contextmanager
    def transaction(self) -> Generator[psycopg.Cursor[TupleRow]]:
        """A cursor in a transaction, which is rolled back if the block raises."""
        with self.connection() as connection, connection.transaction(), connection.cursor() as cursor:
            yield cursor

    def discard_dead_connections(self) -> None:
        """Have the pool replace the connections that do not work any more."""
        self._pool.check()

    def close(self) -> None:
        """Close the connections; the datastore cannot be used again."""
        self._close()


def _configure(connection: Connection) -> None:
    # An acknowledged event is durable, whatever the defaults of the server, the database or the user say.
    connection.execute("SET synchronous_commit = on")
    # The library's own recorders wait for one another for ever.
    connection.execute("SET lock_timeout = '10s'")


class DatastoreRecorder:
    """What all recorders have: a datastore, and the name of the application or projection that they record for."""

    def __init__(self, datastore: Datastore, name: str) -> None:
        self.datastore = datastore
        self.name = name


_Recorder = TypeVar("_Recorder", bound=DatastoreRecorder)
_Params = ParamSpec("_Params")
_Result = TypeVar("_Result")


def repeated_after_connection_loss(
    method: Callable[Concatenate[_Recorder, _Params], _Result],
) -> Callable[Concatenate[_Recorder, _Params], _Result]:
    """Call the method again when the connection is lost; it must be one that can be done twice."""

    @wraps(method)
    def repeated(recorder: _Recorder, /, *args: _Params.args, **kwargs: _Params.kwargs) -> _Result:
        for _ in range(ATTEMPTS - 1):
            try:
                return method(recorder, *args, **kwargs)
            except ConnectionLostError:
                recorder.datastore.discard_dead_connections()
        return method(recorder, *args, **kwargs)

    return repeated


@contextmanager
def _noticing_its_loss(connection: psycopg.Connection[Any]) -> Generator[None]:
    try:
        yield
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        if not (connection.closed or isinstance(error, _LOSSES)):
            raise
        connection.close()
        raise ConnectionLostError(str(error)) from error


_LOSSES = (psycopg.errors.AdminShutdown, psycopg.errors.CrashShutdown)
"""The server's last words on a connection, which may arrive before its end does."""


_LIBRARY_ERRORS: tuple[tuple[type[psycopg.Error], type[persistence.PersistenceError]], ...] = (
    (PoolTimeout, persistence.ConnectionUnavailableError),
    (psycopg.InterfaceError, persistence.InterfaceError),
    (psycopg.DataError, persistence.DataError),
    (psycopg.OperationalError, persistence.OperationalError),
    (psycopg.IntegrityError, persistence.IntegrityError),
    (psycopg.InternalError, persistence.InternalError),
    (psycopg.ProgrammingError, persistence.ProgrammingError),
    (psycopg.NotSupportedError, persistence.NotSupportedError),
    (psycopg.DatabaseError, persistence.DatabaseError),
    (psycopg.Error, persistence.PersistenceError),
)
"""What each of psycopg's errors is called in the library, the special before the general."""


@contextmanager
def _library_errors() -> Generator[None]:
    try:
        yield
    except psycopg.Error as error:
        library_error = next(theirs for ours, theirs in _LIBRARY_ERRORS if isinstance(error, ours))
        raise library_error(str(error)) from error
