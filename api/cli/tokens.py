"""`reprise token`: access tokens for operators, scripts and development."""

from datetime import UTC, datetime, timedelta
from typing import Literal

from cyclopts.types import PositiveInt

from api.cli.terminal import answer
from application.actors import Role
from infrastructure.settings import settings_from
from infrastructure.tokens.issuer import TokenIssuer

DEFAULT_SUBJECT = "cli"
IssuableRole = Literal["admin", "support", "auditor", "service", "user"]
"""All but the platform's own."""


def token(
    *,
    role: IssuableRole,
    subject: str = DEFAULT_SUBJECT,
    client: str | None = None,
    ttl: PositiveInt = 3600,
    rotate: bool = False,
    json: bool = False,
) -> None:
    """Issue an access token.

    Prints the token alone on a line: TOKEN=$(reprise token --role admin). Anybody who has the token has its role until
    it expires. Not available in production, where your identity provider issues tokens.

    Parameters
    ----------
    role
        The role of the bearer, which decides their permissions.
    subject
        The bearer's name, for the record; for the role user, the id of the user.
    client
        The program that uses the token, for the record.
    ttl
        Seconds until it expires.
    rotate
        Sign with a new key from now on. Tokens issued before stay valid until they expire.
    json
        Write JSON.

    """
    issuer = TokenIssuer(settings_from())
    if rotate:
        issuer.rotate()
    lifetime = timedelta(seconds=ttl)
    issued = issuer.issue(Role(role), subject, lifetime, client)
    expires_at = datetime.now(UTC) + lifetime
    document = {"token": issued, "role": role, "subject": subject, "client": client, "expiresAt": expires_at}
    answer(document, issued, json=json)
