"""Finds the user that an operator means, by id or by current email address."""

from uuid import UUID

from api.cli.database import Database, Pool
from api.cli.failures import NotFound
from application.users.emails.address_claims import leader_first
from domain.users.email_claim import EmailClaim
from domain.values import parse_email_address
from infrastructure.commands.aggregates import Aggregates
from infrastructure.encryption.key_cache import SubjectKeys
from infrastructure.encryption.master_keys import MasterKeys
from infrastructure.log.stream_loader import StreamLoader
from infrastructure.secrets.keyring import load_keyring
from infrastructure.users.claims.claim_ids import claim_ids_of
from infrastructure.users.claims.key_in_force import require_claims_key


def find_user(database: Database, wanted: str) -> UUID:
    """The id of a user; whether an id that was given exists is not checked. Raises `NotFound`."""
    if "@" in wanted:
        return _holder(database, wanted)
    try:
        return UUID(wanted)
    except ValueError:
        raise NotFound("This is neither a user id nor an email address.") from None


def _holder(database: Database, address: str) -> UUID:
    """Who has an address, according to the log: a read model might be behind."""
    wanted, settings = parse_email_address(address), database.settings
    keyring = load_keyring(settings.keys, production=settings.production)

    async def claims(pool: Pool) -> list[EmailClaim]:
        await require_claims_key(pool, keyring)
        aggregates = Aggregates(StreamLoader(pool, SubjectKeys(pool, MasterKeys())))
        return [await aggregates.load(EmailClaim, claim_id) for claim_id in claim_ids_of(keyring)(wanted)]

    claim = leader_first(database.with_pool(claims))[0]
    if claim.holder is None:
        raise NotFound("No user has this email address.")
    return claim.holder
