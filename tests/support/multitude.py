"""Very many people in a log, in a few calls: for what has to be shown among thousands, and not among dozens."""

import uuid
from collections.abc import Sequence

import psycopg

_APPEND = """
SELECT "position" FROM log.append(
    ARRAY[gen_random_uuid()], ARRAY[NULL]::bytea[], ARRAY[NULL]::bytea[], ARRAY[''::bytea], ARRAY[NULL]::uuid[],
    ARRAY[NULL]::uuid[], ARRAY[NULL]::bytea[], ARRAY['service:web'], ARRAY[NULL]::text[], ARRAY[NULL]::text[],
    ARRAY[NULL]::text[], array_fill(1, ARRAY[%(count)s]), %(streams)s::uuid[],
    array_fill(%(version)s, ARRAY[%(count)s]), array_fill(%(topic)s::text, ARRAY[%(count)s]), %(states)s::bytea[])
"""


class Multitude:
    """So many people, who have just registered."""

    def __init__(self, conninfo: str, count: int) -> None:
        self.streams = [uuid.uuid4() for _ in range(count)]
        self._conninfo = conninfo
        self._version = 0
        self._record(
            "user.registered",
            [b'{"email":"p%d@example.com","display_name":"P","country":"SE"}' % number for number in range(count)],
        )

    def move(self, country: str) -> int:
        """Everybody moves to a country; tells the position of the first one's move, the others follow in order."""
        return self._record("user.country_changed", [b'{"country":"%s"}' % country.encode()] * len(self.streams))

    def _record(self, topic: str, states: Sequence[bytes]) -> int:
        """One fact about each of them."""
        self._version += 1
        values = {
            "count": len(states),
            "streams": self.streams,
            "version": self._version,
            "topic": topic,
            "states": states,
        }
        with psycopg.connect(self._conninfo, autocommit=True) as connection:
            row = connection.execute(_APPEND, values).fetchone()
        assert row is not None
        return int(row[0]) - len(states) + 1
