"""Take over a person from another system."""

import msgspec

from application.platform import Platform, Saved
from application.register_user import RegisterUser, new_user
from domain.values import parse_document_version, parse_email_address, parse_purpose


class GivenConsent(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What the person told the other system about one purpose."""

    purpose: str
    document_version: str
    granted: bool


class ImportPerson(RegisterUser, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The facts of a registration, and the consents given elsewhere."""

    consents: tuple[GivenConsent, ...] = ()


async def import_person(command: ImportPerson, platform: Platform) -> Saved:
    """Register a person with their consents, without mailing them; refused if the address is in use."""
    user = new_user(command, parse_email_address(command.email), platform.now.date())
    for consent in command.consents:
        purpose, version = parse_purpose(consent.purpose), parse_document_version(consent.document_version)
        user.record_consent(purpose, version, granted=consent.granted)
    claim = await platform.email_claim(user.email, as_if_vacant=True)

    claim.claim(user.id, platform.now)

    return await platform.save(user, claim)
