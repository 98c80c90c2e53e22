"""Tokens with which somebody acts on behalf of somebody else (RFC 8693)."""

from datetime import timedelta
from typing import Any

from joserfc import jwt

from application.actors import Role
from infrastructure.tokens.keys import SIGNING_KEY_FILE, Algorithms, SigningKeyFile
from tests.support.api import Api, Caller

HOUR = timedelta(hours=1)


def delegated(api: Api, role: Role, subject: str, act: dict[str, Any], client_id: str | None = None) -> Caller:
    """Somebody with the permissions of the subject; `act` is the claim about who it is."""
    key = SigningKeyFile(api.settings.keys / SIGNING_KEY_FILE, api.settings.jwks_path).key()
    plain = jwt.decode(api.issuer.issue(role, subject, HOUR, client_id), key, registry=Algorithms())
    header = {"alg": "EdDSA", "typ": "at+jwt", "kid": key.kid}
    return api.with_token(jwt.encode(header, plain.claims | {"act": act}, key, registry=Algorithms()))
