"""What a database that can be used later is, and what else goes wrong."""

import psycopg
import pytest
from psycopg import errors
from psycopg_pool import PoolTimeout

from infrastructure.postgres.unavailability import is_unavailable


@pytest.mark.parametrize(
    "error",
    [
        psycopg.OperationalError("the connection is lost"),
        psycopg.InterfaceError("the connection is closed"),
        PoolTimeout("no connection in time"),
        ConnectionResetError(),
        TimeoutError(),
        errors.ReadOnlySqlTransaction(),
        errors.DiskFull(),
        errors.OutOfMemory(),
        errors.TooManyConnections(),
        errors.AdminShutdown(),
        errors.CrashShutdown(),
        errors.CannotConnectNow(),
        errors.IdleSessionTimeout(),
        errors.IdleInTransactionSessionTimeout(),
        errors.TransactionTimeout(),
        errors.QueryCanceled(),
        errors.LockNotAvailable(),
        errors.SerializationFailure(),
        errors.DeadlockDetected(),
        errors.IoError(),
        errors.ConnectionFailure(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_it_may_work_a_little_later(error: Exception) -> None:
    assert is_unavailable(error)


@pytest.mark.parametrize(
    "error",
    [
        errors.SyntaxError(),
        errors.UndefinedTable(),
        errors.UniqueViolation(),
        errors.ForeignKeyViolation(),
        errors.InsufficientPrivilege(),
        errors.NumericValueOutOfRange(),
        errors.StatementTooComplex(),
        errors.InternalError_(),
        errors.DataCorrupted(),
        errors.RaiseException(),
        psycopg.ProgrammingError("no such column"),
        ValueError(),
        None,
    ],
    ids=lambda error: type(error).__name__,
)
def test_it_would_not_work_later_either(error: Exception | None) -> None:
    assert not is_unavailable(error)
