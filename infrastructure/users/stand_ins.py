"""What is known of accounts that cannot be read."""

from domain.users import User
from infrastructure.commands.aggregates import StandIns
from infrastructure.queries.read_model import Pool
from infrastructure.users.unread_users import UnreadUsersInLog


def stand_ins(pool: Pool) -> StandIns:
    """By kind, what takes the place of an aggregate."""
    return {User: UnreadUsersInLog(pool).erased}
