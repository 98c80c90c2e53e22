"""What a process has for the ports of each area's use cases, and in place of what cannot be read: one line for each."""

from application.policy import Policy
from application.users.emails.address_claims import ClaimIdsOf
from application.users.emails.email_tokens import EmailTokens
from application.users.unread_users import UnreadUsers
from domain.users import User
from infrastructure.commands.aggregates import StandIns
from infrastructure.commands.attempt import Ports
from infrastructure.queries.read_model import Pool
from infrastructure.secrets.keyring import Keyring
from infrastructure.settings import Settings
from infrastructure.users.claims.claim_ids import claim_ids_of
from infrastructure.users.email_tokens import MailedTokens
from infrastructure.users.unread_users import UnreadUsersInLog


def area_ports(settings: Settings, keyring: Keyring, pool: Pool) -> Ports:
    """By port, what `UnitOfWork.using` hands out."""
    return {
        Policy: settings.policy,
        EmailTokens: MailedTokens(keyring.derive("mailed tokens")),
        ClaimIdsOf: claim_ids_of(keyring),
        UnreadUsers: UnreadUsersInLog(pool),
    }


def stand_ins(pool: Pool) -> StandIns:
    """By kind, what is known of an aggregate that cannot be read."""
    return {User: UnreadUsersInLog(pool).erased}
