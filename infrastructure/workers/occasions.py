"""What there is for a worker to do, found out by one statement for all of its threads.

A worker at rest would otherwise ask some fifty times a second whether there is anything to do, thread by thread. What
is waiting stays an occasion until it is done, by whichever worker: so one whose work another worker held comes to it
as soon as that one is gone.
"""

from collections.abc import Collection
from enum import StrEnum

from infrastructure.log.reader import Connection


class Occasion(StrEnum):
    """A reason for a thread of a worker to look for its work."""

    HINT = "hint"
    """Somebody says that the log has grown."""
    LOG = "log"
    """The log ends elsewhere than it did the last time."""
    FOLLOWING = "following"
    """A read model is behind, or its pace not measured yet; or a letter is to be settled."""
    REBUILD = "rebuild"
    """A rebuild is requested, or under way."""
    MAIL = "mail"
    """Mails may be due."""
    SEALING = "sealing"
    """Not all of the log is sealed."""
    SWEEPING = "sweeping"
    """An erasure has not been swept up after."""


# One row. A view or an index answers each question without reading what is done with already.
_LOOK = """
SELECT h."position",
       (SELECT string_agg(concat_ws(' ', g.name, g.generation, g.version, g.state), ',' ORDER BY g.name, g.generation)
        FROM projection.generation g),
       EXISTS (SELECT FROM projection.standing g LEFT JOIN projection.pace p USING (name, generation)
               WHERE g.state = 'live' AND g.name = ANY (%s)
                 AND (g."position" < h."position" OR p."position" IS DISTINCT FROM g."position" OR p.per_second <> 0))
       OR EXISTS (SELECT FROM projection.letter WHERE wish IS NOT NULL),
       EXISTS (SELECT FROM projection.rebuild WHERE state IN ('requested', 'running')),
       EXISTS (SELECT FROM projection.mail_mark m WHERE m."position" < h."position")
       OR EXISTS (SELECT FROM projection.undelivered_mail WHERE next_attempt_at <= clock_timestamp()),
       EXISTS (SELECT FROM audit.sealed s WHERE s.size <> h."position"),
       EXISTS (SELECT FROM keys.erasure WHERE swept_at IS NULL)
FROM log.tip h
"""
_WAITING = (Occasion.FOLLOWING, Occasion.REBUILD, Occasion.MAIL, Occasion.SEALING, Occasion.SWEEPING)


class Lookout:
    """Looks again and again, in the role of the app, which may read all of it."""

    def __init__(self, models: Collection[str]) -> None:
        self._models = list(models)
        self._head: int | None = None
        self._register: str | None = ""

    def look(self, connection: Connection) -> set[Occasion]:
        """What there is to do now; everything the first time, and when the register of read models has changed."""
        row = connection.execute(_LOOK, (self._models,), prepare=True).fetchone()
        head, register, *waiting = row or (None, None)
        found = {occasion for occasion, is_waiting in zip(_WAITING, waiting, strict=False) if is_waiting}
        if head != self._head:
            found.add(Occasion.LOG)
        if register != self._register or row is None:
            found.update(Occasion)
        self._head, self._register = head, register
        return found
