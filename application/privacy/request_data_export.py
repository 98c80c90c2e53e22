"""Request everything that is stored about a person."""

from uuid import UUID

import msgspec

from application.policy import Policy
from application.unit_of_work import Saved, UnitOfWork
from application.unreadable import HistoryUnreadableError
from application.users.unread_users import UnreadUsers
from domain.privacy.data_export import DataExport
from domain.users import User


class RequestDataExport(msgspec.Struct, frozen=True, kw_only=True):
    """Whose data."""

    user_id: UUID


async def request_data_export(command: RequestDataExport, work: UnitOfWork) -> Saved:
    """Request an export as of now, for download within a limited time; refused only if the person has been erased."""
    try:
        user = await work.target(User, command.user_id)
    except HistoryUnreadableError:
        # It says what can be read, and of the rest that it is there.
        user = await work.using(UnreadUsers).user(command.user_id)
        work.expect(user)
    export = DataExport.blank(DataExport.create_id())

    export.request(user, work.now + work.using(Policy).export_good_for)

    return await work.save(export)
