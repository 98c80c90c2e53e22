"""A cache of so many entries: who adds one too many loses the one that comes first."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class BoundedCache(OrderedDict[K, V]):
    """A dictionary that knows its limit. It is read like any other, which costs nothing more.

    Reading does not count as use: an owner for whom it does says so with `move_to_end`. How long an entry may be
    believed is for its owner to know, too (docs/decisions/0046-ours-or-a-librarys.md).
    """

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit

    def put(self, key: K, value: V) -> None:
        """Keep an entry as the last; the first goes if there are too many."""
        self[key] = value
        self.move_to_end(key)
        if len(self) > self._limit:
            self.popitem(last=False)
