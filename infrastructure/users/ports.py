"""What a process has for the ports of accounts."""

from application.policy import Policy
from application.ports import Ports
from application.users.emails.address_claims import ClaimIdsOf
from application.users.emails.email_tokens import EmailTokens
from application.users.mailed_links import MailedLinks
from application.users.queries import Directory, Users
from application.users.unread_users import UnreadUsers
from infrastructure.parts import Parts
from infrastructure.users.claims.claim_ids import claim_ids, claim_ids_of
from infrastructure.users.directory import DirectoryQueries
from infrastructure.users.email_tokens import MailedTokens
from infrastructure.users.holders import Holders
from infrastructure.users.queries import UserQueries
from infrastructure.users.unread_users import UnreadUsersInLog


def ports(parts: Parts) -> Ports:
    """By port."""
    users = UserQueries(parts.pool, parts.aggregates, parts.keys)
    tokens = MailedTokens(parts.keyring.derive("mailed tokens"))
    holders = Holders(parts.aggregates, claim_ids(parts.keyring))
    return {
        Policy: parts.settings.policy,
        Users: users,
        UnreadUsers: UnreadUsersInLog(parts.pool),
        Directory: DirectoryQueries(parts.lists, parts.cursors, holders, parts.log),
        ClaimIdsOf: claim_ids_of(parts.keyring),
        EmailTokens: tokens,
        MailedLinks: MailedLinks(users, tokens),
    }
