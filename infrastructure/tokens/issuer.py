"""Issues access tokens, for operators, development and tests: in production an identity provider does."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
from joserfc import jwt

from application.actors import Role
from infrastructure.settings import Settings
from infrastructure.tokens.keys import SIGNING_KEY_FILE, Algorithms, SigningKeyFile
from infrastructure.tokens.verifier import Name


class RoleNotIssuableError(ValueError):
    """No token can have this role and subject, or name this client."""


class TokensIssuedElsewhereError(Exception):
    """In production no token is issued here: nobody would believe it."""

    def __init__(self) -> None:
        super().__init__("In production (REPRISE_PRODUCTION=yes) your identity provider issues tokens, not Reprise.")


class TokenIssuer:
    """Signs access tokens with the key in the service's home. Raises `TokensIssuedElsewhereError` in production."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        if settings.production:
            raise TokensIssuedElsewhereError
        self._settings = settings
        self._clock = clock
        self._key_file = SigningKeyFile(settings.keys / SIGNING_KEY_FILE, settings.own_jwks_path)

    def publish(self) -> None:
        """Have the tokens believed that are going to be issued."""
        self._key_file.key()

    def issue(self, role: Role, subject: str, lifetime: timedelta, client_id: str | None = None) -> str:
        """A token that is good from now on, for a lifetime. Raises `RoleNotIssuableError`."""
        _check(role, subject)
        _check_names(subject, client_id)
        now = int(self._clock())
        claims: dict[str, Any] = {
            "iss": self._settings.issuer,
            "aud": self._settings.audience,
            "sub": subject,
            "role": role.value,
            "iat": now,
            "exp": now + int(lifetime.total_seconds()),
            "jti": str(uuid4()),
        }
        if client_id is not None:
            claims["client_id"] = client_id
        key = self._key_file.key()
        header = {"alg": "EdDSA", "typ": "at+jwt", "kid": key.kid}
        return jwt.encode(header, claims, key, registry=Algorithms())

    def rotate(self, *, forget_others: bool = False) -> None:
        """Sign with a new key from now on. With `forget_others`, every token issued before is refused at once."""
        self._key_file.replace(forget_others=forget_others)


def _check_names(*names: str | None) -> None:
    try:
        msgspec.convert(names, tuple[Name | None, ...])
    except msgspec.ValidationError:
        raise RoleNotIssuableError(
            "Names in tokens must have 1 to 255 visible ASCII characters without spaces."
        ) from None


def _check(role: Role, subject: str) -> None:
    if role is Role.SYSTEM:
        raise RoleNotIssuableError("The role system is reserved for the platform. No token can have it.")
    if role is Role.USER:
        try:
            UUID(subject)
        except ValueError:
            raise RoleNotIssuableError("The subject of a user's token must be the user's id.") from None
