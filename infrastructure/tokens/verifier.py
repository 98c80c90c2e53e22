"""Verifies access tokens: JWTs of type `at+jwt` (RFC 9068), signed with EdDSA or ES256, by keys of a JWKS file.

The file is read again as soon as it changes, so that keys are rotated, and revoked, without a restart. A verified token
is remembered by its digest, until it expires or the keys change.
"""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from typing import Annotated, Any
from uuid import UUID

import msgspec
from joserfc import jws
from joserfc.errors import ClaimError, ExpiredTokenError, MissingClaimError, UnsupportedAlgorithmError
from joserfc.jwk import ECKey, OKPKey
from joserfc.jwt import JWTClaimsRegistry

from application.access_tokens import Access, KeysFault, NoTokenKeysError, TokenFault, TokenRefusedError
from application.actors import Actor, Role
from infrastructure.bounded_cache import BoundedCache
from infrastructure.settings import Settings
from infrastructure.tokens.keys import Algorithms, BothKeys, PublicKey, PublicKeys, keys_of

TOKEN_LIMIT = 8_192
"""Characters in a token; ours have about 400."""
LEEWAY_SECONDS = 30
"""How far the clocks of the issuer and of this service may be apart."""
REMEMBERED = 10_000
"""Tokens that one process remembers; each takes about 1 kB."""
TYPES = frozenset({"at+jwt", "application/at+jwt"})
_FAULTS = {
    "iss": TokenFault.ISSUER,
    "aud": TokenFault.AUDIENCE,
    "iat": TokenFault.NOT_YET_VALID,
    "nbf": TokenFault.NOT_YET_VALID,
}

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
        keys: PublicKeys | BothKeys,
        issuer: str,
        audience: str,
        clock: Callable[[], float] = time.time,
        remembered: int = REMEMBERED,
    ) -> None:
        self._keys = keys
        self._clock = clock
        self._rules = JWTClaimsRegistry(
            now=lambda: int(clock()),
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": audience},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
        )
        self._verified = BoundedCache[bytes, tuple[Access, float]](remembered)
        self._verified_with: object = None

    def verify(self, token: str) -> Access:
        """What the token stands for, now. Raises `TokenRefusedError` and `NoTokenKeysError`."""
        if len(token) > TOKEN_LIMIT:
            raise TokenRefusedError(TokenFault.TOO_LONG)
        keys = self._current_keys()
        if not keys:
            raise NoTokenKeysError
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        found = self._verified.get(digest)
        if found is not None and self._clock() < found[1]:
            return found[0]
        claims = self._claims(token, keys)
        access = _access(claims)
        self._verified.put(digest, (access, claims.exp))
        return access

    def fault(self) -> KeysFault | None:
        """What is wrong with the keys, now."""
        return self._keys.fault()

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
        except TokenRefusedError:
            raise
        except ClaimError as error:
            raise TokenRefusedError(_fault_of(error)) from None
        except msgspec.ValidationError:
            raise TokenRefusedError(TokenFault.CLAIMS) from None
        except Exception:  # noqa: BLE001 - whatever hostile input provokes is a refusal
            raise TokenRefusedError(TokenFault.MALFORMED) from None


def tokens_of(settings: Settings) -> JwtAccessTokens:
    """The tokens that settings have this process believe. Raises `SettingInvalidError`."""
    return JwtAccessTokens(keys_of(settings), settings.issuer, settings.audience)


def _signed_content(token: str, keys: dict[str, PublicKey]) -> bytes:
    signed = jws.extract_compact(token.encode(), registry=Algorithms())
    key = _key(signed.headers(), keys)
    try:
        is_good = jws.validate_compact(signed, key, registry=Algorithms())
    except UnsupportedAlgorithmError:
        raise TokenRefusedError(TokenFault.ALGORITHM) from None
    if not is_good:
        raise TokenRefusedError(TokenFault.SIGNATURE)
    return signed.payload


def _key(header: Mapping[str, Any], keys: dict[str, PublicKey]) -> ECKey | OKPKey:
    """The key a token names, if it is meant for the token's algorithm."""
    kid, algorithm, form = header.get("kid"), header.get("alg"), header.get("typ")
    if not isinstance(form, str) or form.lower() not in TYPES or not isinstance(algorithm, str):
        raise TokenRefusedError(TokenFault.ALGORITHM)
    key = keys.get(kid) if isinstance(kid, str) else None
    if key is None:
        raise TokenRefusedError(TokenFault.UNKNOWN_KEY)
    if algorithm not in key.algorithms:
        raise TokenRefusedError(TokenFault.ALGORITHM)
    return key.key


def _fault_of(error: ClaimError) -> TokenFault:
    if isinstance(error, ExpiredTokenError):
        return TokenFault.EXPIRED
    if isinstance(error, MissingClaimError):
        return TokenFault.CLAIMS
    return _FAULTS.get(error.claim, TokenFault.CLAIMS)


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
        raise TokenRefusedError(TokenFault.ROLE)
    if claims.role is not Role.USER:
        return claims.sub
    try:
        return str(UUID(claims.sub))
    except ValueError:
        raise TokenRefusedError(TokenFault.SUBJECT) from None
