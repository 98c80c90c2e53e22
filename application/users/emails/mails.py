"""The mails about email addresses.

Their recipients have not yet shown that the account is theirs, so no mail contains anything that the owner of an
account wrote, except the address (docs/decisions/0028-mails-to-strangers.md).
"""

from datetime import datetime
from uuid import UUID

from application.mailing import Mail
from domain.users import EmailRequest
from domain.values import EmailAddress


def confirmation_mail(mail_id: str, user_id: UUID, request: EmailRequest, token: str, public_url: str) -> Mail:
    """Asks the owner of an address whether it belongs to an account."""
    return Mail(
        id=mail_id,
        user_id=user_id,
        recipient=request.email,
        subject="Please confirm your email address",
        text=(
            f"Hello,\n\n"
            f"somebody asked to use this email address for an account. If that was you, please confirm that the "
            f"address is yours:\n\n"
            f"{public_url}/confirm-email?token={token}\n\n"
            f"The link is valid until {_minute(request.confirm_by)} and works once.\n"
            f"If it was not you, ignore this mail and nothing will happen.\n"
        ),
    )


def contest_mail(mail_id: str, holder_id: UUID, address: EmailAddress, reserved_until: datetime | None) -> Mail:
    """Tells the holder of an address, or of a reservation that ends, that it was requested for another account."""
    return Mail(
        id=mail_id,
        user_id=holder_id,
        recipient=address,
        subject="Somebody asked to use your email address",
        text=(
            f"Hello,\n\n"
            f"somebody asked to use this email address for an account. {_who_has_it(reserved_until)}\n"
            f"If it was not you, ignore this mail and nothing will happen.\n"
        ),
    )


def _who_has_it(reserved_until: datetime | None) -> str:
    if reserved_until is None:
        return (
            "It already belongs to another account, so nothing has changed, and you need not do anything.\n\n"
            "If it was you: sign in to your account with this address."
        )
    return (
        "Another account requested it before and has not confirmed it yet, so nothing has changed.\n\n"
        f"If it was you: request it again after {_minute(reserved_until)}."
    )


def _minute(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"
