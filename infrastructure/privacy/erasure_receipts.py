"""Receipts of erasures, in a file outside of the database, so that no restored backup brings anybody back.

`receipts/erasures.jsonl` under the service's home, one JSON object on each line, appended to and never changed. The log
is the source: a worker writes down what it records, within a second, and completes what is missing.
"""

import fcntl
import os
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

import msgspec

from domain.users import User
from infrastructure.files.private_files import appended_file
from infrastructure.log.reader import Connection, Wanted, fetch_range, read_head

CHUNK = 10_000
"""Positions looked at in one piece of work."""
# Neither why nor anything else that could be unreadable, and keep the receipts of all others from being written.
_ERASURES = Wanted(topics=[User.Erased.TOPIC], personal=frozenset())
_NOT_ERASED = """
SELECT DISTINCT e.stream_id FROM log.event e
WHERE e.stream_id = ANY (%(ids)s) AND e.topic = %(registered)s
  AND NOT EXISTS (SELECT FROM log.event gone WHERE gone.stream_id = e.stream_id AND gone.topic = %(erased)s)
"""


class StoredReceipt(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Somebody was erased. Says by which account id, which is all that is left, and on whose word."""

    user_id: UUID
    erased_at: datetime
    position: int
    actor: str | None = None
    on_behalf_of: str | None = None
    command_id: UUID | None = None


class ReceiptsDamagedError(Exception):
    """A line of the file is not a receipt; the message says which."""


def receipts_path(home: Path) -> Path:
    """Where the receipts of a service are."""
    return home / "receipts" / "erasures.jsonl"


def read_receipts(path: Path) -> list[StoredReceipt]:
    """The receipts in a file; none if there is no file. A last line that was cut off is left out.

    Raises `ReceiptsDamagedError`.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    return [_receipt(path, number, line) for number, line in enumerate(lines[:-1], 1) if line]


def _receipt(path: Path, number: int, line: bytes) -> StoredReceipt:
    try:
        return msgspec.json.decode(line, type=StoredReceipt)
    except msgspec.MsgspecError as error:
        raise ReceiptsDamagedError(f"Line {number} of {path} is not a receipt: {error}.") from None


def append_receipts(path: Path, receipts: Iterable[StoredReceipt]) -> None:
    """Write receipts, durably when it returns."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lines = b"".join(msgspec.json.encode(receipt) + b"\n" for receipt in receipts)
    with appended_file(path) as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # until it is closed
        _drop_what_was_cut_off(file)
        file.write(lines)
        file.flush()
        os.fsync(file.fileno())


def _drop_what_was_cut_off(file: BinaryIO) -> None:
    """Whoever did not come to the end of a line has acknowledged nothing, and writes it again."""
    file.seek(0)
    file.truncate(file.read().rfind(b"\n") + 1)


def noting_erasures(path: Path) -> Callable[[Connection], bool]:
    """The work of a thread: writes down the erasures that the log has and the file has not."""
    position: int | None = None
    known: set[UUID] = set()

    def note(connection: Connection) -> bool:
        nonlocal position
        head = read_head(connection).position
        if position is None or position > head:
            receipts = read_receipts(path)
            known.update(receipt.user_id for receipt in receipts)
            position = _place_of_last(connection, receipts)
        upto = min(position + CHUNK, head)
        if upto == position:
            return False
        new = [receipt for receipt in _erasures(connection, position, upto) if receipt.user_id not in known]
        if new:
            append_receipts(path, new)
            known.update(receipt.user_id for receipt in new)
        position = upto
        return position < head

    return note


def _place_of_last(connection: Connection, receipts: list[StoredReceipt]) -> int:
    """Where to go on; 0 if the log is not the one that the last receipt is about (any more)."""
    if not receipts:
        return 0
    last = receipts[-1]
    row = connection.execute(
        'SELECT FROM log.event WHERE "position" = %s AND stream_id = %s AND topic = %s',
        (last.position, last.user_id, User.Erased.TOPIC),
    )
    return last.position if row.rowcount else 0


def _erasures(connection: Connection, after: int, upto: int) -> Iterator[StoredReceipt]:
    for row in fetch_range(connection, after, upto, _ERASURES):
        _, _, user_id, _, erased_at, position, actor, on_behalf_of, _, _, command_id, *_ = row
        yield StoredReceipt(
            user_id=user_id,
            erased_at=erased_at,
            position=position,
            actor=actor,
            on_behalf_of=on_behalf_of,
            command_id=command_id,
        )


def came_back(connection: Connection, receipts: Iterable[StoredReceipt]) -> list[UUID]:
    """People who were erased, by their receipts, and of whom the log does not know it: a backup brought them back."""
    parameters = {
        "ids": [receipt.user_id for receipt in receipts],
        "registered": User.Registered.TOPIC,
        "erased": User.Erased.TOPIC,
    }
    return [user_id for (user_id,) in connection.execute(_NOT_ERASED, parameters)]
