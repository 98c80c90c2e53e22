"""People's accounts: their events, and when each of them is allowed."""

from domain.users.user import Consent, EmailRequest, User

__all__ = ["Consent", "EmailRequest", "User"]
