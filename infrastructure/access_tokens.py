"""Verifies access tokens: JWTs of type `at+jwt` (RFC 9068), signed with EdDSA or ES256, by keys of a JWKS file.

The file is read again as soon as it changes, so that keys are rotated, and revoked, without a restart. A verified token
is remembered by its digest, until it expires or the keys change.
"""

import hashlib
import json
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import msgspec
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey
from joserfc.jwt import JWTClaimsRegistry

from application.access import Access, TokenRefusedError
from application.actors import Actor, Role
from infrastructure.token_keys import Algorithms, PublicKey, PublicKeys

TOKEN_LIMIT = 8_192
"""Characters in a token; ours have about 400."""
LEEWAY_SECONDS = 30
"""How far the clocks of the issuer and of this service may be apart."""
REMEMBERED = 10_000
"""Tokens that one process remembers; each takes about 1 kB."""
REFUSAL = "The token is not valid, or not any more."
TYPES = frozenset({"at+jwt", "application/at+jwt"})

Name = Annotated[str, msgspec.Meta(pattern=r"\A[\x21-\x7e]{1,255}\Z")]
"""Whom or what a claim names: visible ASCII."""
_Time = int | float


class ActorClaim(msgspec.Struct, frozen=True):
    """Who acts on behalf of the subject (RFC 8693 section 4.1); the role is ours, a service's if not given."""

    sub: Name
    role: Role = Role.SERVICE


class Claims(msgspec.Struct, frozen=True):
    """The claims that matter here; all others are ignored."""

    sub: Name
    role: Role
    exp: _Time
    iat: _Time
    client_id: Name | None = None
    act: ActorClaim | None = None


class JwtAccessTokens:
    """The tokens of one issuer for one audience."""

    def __init__(
        self,
        jwks_path: Path,
        issuer: str,
        audience: str,
        clock: Callable[[], float] = time.time,
        remembered: int = REMEMBERED,
    ) -> None:
        self._keys = PublicKeys(jwks_path)
        self._clock = clock
        self._limit = remembered
        self._rules = JWTClaimsRegistry(
            now=lambda: int(clock()),
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": audience},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
        )
        self._verified: OrderedDict[bytes, tuple[Access, float]] = OrderedDict()
        self._verified_with: object = None

    def verify(self, token: str) -> Access:
        """What the token stands for, now. Raises `TokenRefusedError`."""
        if len(token) > TOKEN_LIMIT:
            raise TokenRefusedError("The token is too long.")
        keys = self._current_keys()
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        found = self._verified.get(digest)
        if found is not None and self._clock() < found[1]:
            return found[0]
        claims = self._claims(token, keys)
        access = _access(claims)
        self._remember(digest, access, claims.exp)
        return access

    def _current_keys(self) -> dict[str, PublicKey]:
        keys = self._keys.current()
        if keys is not self._verified_with:
            self._verified.clear()
            self._verified_with = keys
        return keys

    def _claims(self, token: str, keys: dict[str, PublicKey]) -> Claims:
        try:
            claims = json.loads(_signed_content(token, keys))
            self._rules.validate(claims)
            return msgspec.convert(claims, Claims)
        except Exception:  # noqa: BLE001 - whatever hostile input provokes is a refusal
            # Why exactly is of use to an attacker only.
            raise TokenRefusedError(REFUSAL) from None

    def _remember(self, digest: bytes, access: Access, expires: float) -> None:
        self._verified[digest] = access, expires
        if len(self._verified) > self._limit:
            self._verified.popitem(last=False)


def _signed_content(token: str, keys: dict[str, PublicKey]) -> bytes:
    signed = jws.extract_compact(token.encode(), registry=Algorithms())
    if not jws.validate_compact(signed, _key(signed.headers(), keys), registry=Algorithms()):
        raise TokenRefusedError(REFUSAL)
    return signed.payload


def _key(header: Mapping[str, Any], keys: dict[str, PublicKey]) -> ECKey | OKPKey:
    """The key a token names, if it is meant for the token's algorithm."""
    key = keys[header["kid"]]
    if header["alg"] not in key.algorithms or header["typ"].lower() not in TYPES:
        raise TokenRefusedError(REFUSAL)
    return key.key


def _access(claims: Claims) -> Access:
    subject = _subject(claims)
    if claims.act is None:
        actor = Actor(claims.role, subject, claims.client_id)
    else:
        actor = Actor(claims.act.role, claims.act.sub, claims.client_id, on_behalf_of=subject)
    return Access(role=claims.role, subject=subject, actor=actor)


def _subject(claims: Claims) -> str:
    """Whom the token is about. Nobody outside is the platform itself, and a user is their account."""
    if Role.SYSTEM in {claims.role, claims.act.role if claims.act else None}:
        raise TokenRefusedError("The role of the token is not for tokens.")
    if claims.role is not Role.USER:
        return claims.sub
    try:
        return str(UUID(claims.sub))
    except ValueError:
        raise TokenRefusedError("The subject of the token is not a user.") from None
