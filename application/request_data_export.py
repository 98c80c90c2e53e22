"""Ask for all that is held about a person."""

from uuid import UUID

import msgspec

from application.platform import Platform, Saved
from domain.data_exports import DataExport


class RequestDataExport(msgspec.Struct, frozen=True, kw_only=True):
    """Whose data."""

    user_id: UUID


async def request_data_export(command: RequestDataExport, platform: Platform) -> Saved:
    """Have a person's data put together as of now, for download within a time; refused only if they were erased."""
    user = await platform.user(command.user_id)
    export = DataExport.blank(DataExport.create_id())

    export.request(user, platform.now + platform.policy.export_good_for)

    return await platform.save(export)
