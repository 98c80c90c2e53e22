"""Give a person an account."""

from datetime import date, datetime

import msgspec

from application.policy import Policy
from application.unit_of_work import Saved, UnitOfWork
from application.users.emails.address_claims import claim_of
from domain.users import User
from domain.users.values import parse_birth_date, parse_display_name, parse_external_id
from domain.values import EmailAddress, parse_country, parse_email_address, parse_locale_tag


class RegisterUser(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A new user's data; `email`, `displayName` and `country` are required."""

    email: str
    display_name: str
    country: str
    locale: str | None = None
    birth_date: date | None = None
    explicit_content_filter: bool = False
    external_id: str | None = None


async def register_user(command: RegisterUser, work: UnitOfWork) -> Saved:
    """Register a person, who then is mailed a token to verify the address; refused if the address is in use.

    Without a mail, if the address has been sent as many as it may: the person can ask for one later.
    """
    address, now, policy = parse_email_address(command.email), work.now, work.using(Policy)
    claim = await claim_of(address, work, likely_new=True)
    is_mailed = claim.may_be_mailed(now, policy.mails_to_address)
    user = new_user(command, address, now.date(), confirm_by=now + policy.confirm_within if is_mailed else None)

    claim.claim(user.id, now, is_mailed=is_mailed)

    return await work.save(user, claim)


def new_user(
    facts: RegisterUser,
    address: EmailAddress,
    today: date,
    *,
    confirm_by: datetime | None = None,
    occurred_at: datetime | None = None,
) -> User:
    """A new user with an address and parsed data; not saved yet."""
    return User(
        email=address,
        display_name=parse_display_name(facts.display_name),
        country=parse_country(facts.country),
        locale=None if facts.locale is None else parse_locale_tag(facts.locale),
        birth_date=None if facts.birth_date is None else parse_birth_date(facts.birth_date, today),
        explicit_content_filter=facts.explicit_content_filter,
        external_id=None if facts.external_id is None else parse_external_id(facts.external_id),
        confirm_by=confirm_by,
        occurred_at=occurred_at,
    )
