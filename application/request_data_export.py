"""Request everything that is stored about a person."""

from uuid import UUID

import msgspec

from application.platform import Platform, Saved
from application.unreadable import HistoryUnreadableError
from domain.data_exports import DataExport


class RequestDataExport(msgspec.Struct, frozen=True, kw_only=True):
    """Whose data."""

    user_id: UUID


async def request_data_export(command: RequestDataExport, platform: Platform) -> Saved:
    """Request an export as of now, for download within a limited time; refused only if the person has been erased."""
    try:
        user = await platform.user(command.user_id)
    except HistoryUnreadableError:
        # It says what can be read, and of the rest that it is there.
        user = await platform.unread_user(command.user_id)
    export = DataExport.blank(DataExport.create_id())

    export.request(user, platform.now + platform.policy.export_good_for)

    return await platform.save(export)
