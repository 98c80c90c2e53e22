"""How a read model is defined: as data and one pure function.

The definition says what each event means; the engine (`infrastructure/projections`) follows and rebuilds. Nothing else
writes a model's rows.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, TypeVar
from uuid import UUID

import msgspec

from application.projections.fold_code import code_of, code_of_key
from application.recorded import Recorded
from domain.kernel import AggregateEvent

Row = TypeVar("Row", bound=msgspec.Struct)
Fold = Callable[[Row | None, Recorded[Any]], Row | None]
Key = Callable[[Recorded[Any]], UUID | int]


class Index(msgspec.Struct, frozen=True):
    """A secondary index for queries: columns in order, or one list column by its members.

    It is never unique: uniqueness is decided on the log, and rows of several streams are not folded together.
    """

    name: str
    columns: tuple[str, ...]


class WordIndex(Index, frozen=True):
    """Finds rows by the word in its first column, and has the others at hand, in no order.

    Rows without a word, where it is empty, are not in it.
    """


class WordsIndex(Index, frozen=True):
    """Finds rows by beginnings of the words in its one column, with one space between any two of them; as above."""


class MembersIndex(Index, frozen=True):
    """Finds rows by the members of its one column, a list that most rows do not have. Those are not in it."""


def stream_id(recorded: Recorded[Any]) -> UUID:
    """One row for each stream."""
    stream: UUID = recorded.event.originator_id
    return stream


def position(recorded: Recorded[Any]) -> int:
    """One row for each event: the model is a list that only grows."""
    return recorded.position


class Tally(msgspec.Struct, Generic[Row], frozen=True, kw_only=True):
    """Counts that are kept beside the rows and, like an index, follow from them alone: each is a sum over all rows."""

    row: type[msgspec.Struct]
    """The form of a count: its key, and the number in the last field."""
    of: Callable[[Row], Mapping[tuple[Any, ...], int]]
    """What one row adds to which counts, by their keys. Pure."""

    def sum(self, rows: Iterable[Row | None]) -> Counter[tuple[Any, ...]]:
        """What rows add, by the counts' keys."""
        total: Counter[tuple[Any, ...]] = Counter()
        for row in rows:
            if row is not None:
                total.update(self.of(row))
        return total

    def counts(self, sums: Mapping[tuple[Any, ...], int]) -> dict[tuple[Any, ...], Any]:
        """Sums in the form of counts, but those that are 0."""
        return {key: self.row(*key, number) for key, number in sums.items() if number}


LIKE_THE_LOG = "as long as the log"
UNTIL_ERASED = "until the person is erased"


class Holds(msgspec.Struct, frozen=True, kw_only=True):
    """What the rows contain about people, for the data map (docs/data-map.md)."""

    purpose: str
    kept: str
    readable: tuple[str, ...] = ()
    """Columns with personal data; the others say something about a person only through an id."""


class Projection(msgspec.Struct, Generic[Row], frozen=True, kw_only=True):
    """A read model. Its row's first field is the key; a changed fold or row needs a new version."""

    name: str
    version: int
    events: tuple[type[AggregateEvent], ...]
    """The events that it reads; all others are skipped."""
    row: type[Row]
    holds: Holds
    fold: Fold[Row]
    """The row after an event, from the row before it; None for no row. Pure: changes nothing, looks nowhere else."""
    key: Key = stream_id
    reads_metadata: bool = False
    """Whether the fold reads the metadata (actor, client, reason); otherwise it does not get them."""
    reads_personal: tuple[type[AggregateEvent], ...] | None = None
    """The events whose personal fields it reads, None for all; in others they stay `SEALED`, which costs nothing."""
    lists_unreadable: bool = False
    """Whether it has rows for events that cannot be read, too, and for those of topics that this release does not know.
    Its fold is handed an `UnreadableEvent` for each."""
    indexes: tuple[Index, ...] = ()
    tally: Tally[Row] | None = None
    hurries: bool = True
    """Whether events are folded immediately; otherwise a few times a second, in larger batches, at less cost each."""
    changes: tuple[str, ...] = ()
    """Columns whose meaning differs from the previous version; `presence` if the set of rows differs.

    All other columns must be equal in both versions, else the new one does not take over.
    """

    @property
    def topics(self) -> list[str]:
        """The topics that it reads."""
        return [event.TOPIC for event in self.events]  # type: ignore[attr-defined] # every event of ours has one

    @property
    def personal_topics(self) -> frozenset[str] | None:
        """The topics whose personal fields it reads; None for all."""
        if self.reads_personal is None:
            return None
        return frozenset(event.TOPIC for event in self.reads_personal)  # type: ignore[attr-defined] # as above

    @property
    def appends(self) -> bool:
        """Whether each event has a row of its own, so that no earlier row is ever read or changed."""
        return self.key is position

    @property
    def key_column(self) -> str:
        """The name of the row's key."""
        return self.row.__struct_fields__[0]

    @property
    def fingerprint(self) -> str:
        """Identifies a definition: its shape, and the code of its fold and key."""
        indexes = [msgspec.structs.astuple(index) for index in self.indexes]
        shape = (self.name, self.version, self.topics, _fields(self.row), indexes)
        code = [code_of(self.fold), code_of_key(self.key)]
        also = ["unreadable"] if self.lists_unreadable else []
        tally = [(_fields(self.tally.row), code_of(self.tally.of))] if self.tally else []
        reads = [self.reads_metadata, *([] if self.personal_topics is None else [sorted(self.personal_topics)])]
        return hashlib.sha256(msgspec.json.encode((shape, *reads, *also, code, *tally))).hexdigest()


def _fields(row: type[msgspec.Struct]) -> list[tuple[str, str]]:
    return [(field.name, str(field.type)) for field in msgspec.structs.fields(row)]
