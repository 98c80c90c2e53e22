"""Answers what can be asked about mails."""

from psycopg.rows import class_row

from application.operations.queries import UndeliveredMails
from infrastructure.queries.read_model import Pool

_UNDELIVERED = """
SELECT count(*) FILTER (WHERE next_attempt_at IS NULL) AS refused, count(next_attempt_at) AS waiting
FROM projection.undelivered_mail
"""


class MailQueries:
    """The mails that were put aside, as ports see them."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def undelivered(self) -> UndeliveredMails:
        """How many could not be delivered (yet)."""
        async with self._pool.connection() as connection:
            cursor = connection.cursor(row_factory=class_row(UndeliveredMails))
            return await (await cursor.execute(_UNDELIVERED)).fetchone() or UndeliveredMails(0, 0)
