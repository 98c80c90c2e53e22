"""Say yes or no to one purpose."""

from uuid import UUID

import msgspec

from application.unit_of_work import Saved, UnitOfWork
from domain.users import User
from domain.users.values import parse_document_version, parse_purpose


class ConsentChoice(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The answer, and the version of the document it answers."""

    granted: bool
    document_version: str


class RecordConsent(msgspec.Struct, frozen=True, kw_only=True):
    """Whose answer it is, to which purpose."""

    user_id: UUID
    purpose: str
    choice: ConsentChoice


async def record_consent(command: RecordConsent, work: UnitOfWork) -> Saved:
    """Record the person's answer; the same answer again records nothing."""
    purpose = parse_purpose(command.purpose)
    version = parse_document_version(command.choice.document_version)
    user = await work.target(User, command.user_id)

    user.record_consent(purpose, version, granted=command.choice.granted)

    return await work.save(user)
