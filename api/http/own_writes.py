"""The last position that each caller has written through this process: their lists wait for it.

A table of fixed size, indexed by a hash of the caller. So it names nobody, and nobody's position is pushed out by those
of others. Callers that share an entry wait for each other's writes, too, which takes a moment and is harmless, because
every position in the table is one that the log has given out (docs/decisions/0033-own-writes.md).
"""

from array import array

from application.actors import Actor

PLACES = 65_536


class OwnWrites:
    """What callers have written: an actor, alone or on behalf of somebody, through whichever client."""

    def __init__(self, places: int = PLACES) -> None:
        self._positions = array("q", bytes(8 * places))

    def note(self, actor: Actor, position: int) -> None:
        """Remember that a caller was answered with a position; one that is older than their last changes nothing."""
        place = self._place(actor)
        self._positions[place] = max(position, self._positions[place])

    def last(self, actor: Actor) -> int:
        """The last position that a caller has written, or a later one; 0 if they have written nothing."""
        return self._positions[self._place(actor)]

    def _place(self, actor: Actor) -> int:
        return hash((actor.role, actor.id, actor.on_behalf_of)) % len(self._positions)
