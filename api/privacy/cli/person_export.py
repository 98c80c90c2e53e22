"""`reprise users export`: everything that is stored about one person, in a file."""

import asyncio
from pathlib import Path
from uuid import UUID

from api.cli.catching_up import catch_up
from api.cli.database import open_database
from api.cli.failures import Failure
from api.cli.operators import operator
from api.cli.terminal import answer, shown
from api.privacy.person_package.packing import write_package
from api.users.cli.finding_users import find_user
from application.access_records.access_log import ACCESS_LOG
from application.actors import Metadata, Role
from application.commands import CommandContext
from application.history.timeline import USER_TIMELINE
from application.ports import Service
from application.privacy.data_exports import DataExports, RequestedExport
from application.privacy.request_data_export import RequestDataExport, request_data_export
from domain.ids import uuid7
from infrastructure.files.private_files import whole_file
from infrastructure.postgres.logins import Login


def export(user: str, /, *, output: Path, json: bool = False) -> None:
    """Write everything that is stored about a person to a ZIP file: JSON, JSON Schemas and a page to read.

    The request is recorded.

    Parameters
    ----------
    user
        The user's id or current email address.
    output
        The file to write. It must not exist yet. Only its owner can read it.
    json
        Write JSON.

    """
    if output.exists():
        raise _file_exists(output)

    async def export_person(service: Service) -> RequestedExport:
        found = await _requested(service, user_id)
        for model in (USER_TIMELINE, ACCESS_LOG):
            await asyncio.to_thread(catch_up, database.conninfo, model)
        with whole_file(output, replacing=False) as file:
            await write_package(service, found, file)
        return found

    with open_database(Login.WORKER) as database:
        user_id = find_user(database, user)
        try:
            found = database.with_service(export_person)
        except FileExistsError:
            raise _file_exists(output) from None
    answer(
        {"userId": found.user_id, "position": found.position, "file": str(output)},
        f"Everything about {found.user_id} as of position {shown(found.position)} is in {output}.",
        json=json,
    )


def _file_exists(output: Path) -> Failure:
    return Failure(f"{output} already exists.", "file_exists")


async def _requested(service: Service, user_id: UUID) -> RequestedExport:
    context = CommandContext(metadata=Metadata(command_id=uuid7(), actor=operator(Role.ADMIN)))
    saved = await service.commands.run(request_data_export, RequestDataExport(user_id=user_id), context)
    return await service.using(DataExports).requested(saved.aggregate_id)
