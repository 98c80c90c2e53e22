"""The service's own secrets, and what is derived from them: claim ids, mailed tokens, signed cursors.

Secrets come from the environment, or from files in the home directory that are generated at the first start, readable
by their owner only.
"""

import hmac
import os
import secrets
from base64 import b64decode, urlsafe_b64decode, urlsafe_b64encode
from contextlib import suppress
from pathlib import Path
from uuid import UUID

import msgspec

from application.queries import CursorInvalidError
from application.users.emails.address_claims import ClaimIdsOf
from domain import errors
from domain.free_text import search_key
from domain.users import EmailRequest
from domain.values import EmailAddress, email_key
from infrastructure.files.private_files import write_whole
from infrastructure.secrets.mac import Mac

KEY_OCTETS = 32
TOKEN_MAC_OCTETS = 24
CURSOR_MAC_OCTETS = 12
FINGERPRINT_OCTETS = 8


class SecretMissingError(Exception):
    """A secret that was given is not usable."""


class Keyring(msgspec.Struct, frozen=True):
    """The two secrets: losing the first loses all claims; changing the second only invalidates cursors and tokens."""

    claims: bytes
    service: bytes
    next_claims: bytes | None = None
    """What is to take the place of the first, while it is being replaced."""

    @property
    def claim_ids(self) -> "list[ClaimIds]":
        """By the present key of the claims, and by the next one if there is one."""
        return [ClaimIds(key) for key in (self.claims, self.next_claims) if key is not None]

    @property
    def claim_ids_of(self) -> ClaimIdsOf:
        """The ids of an address's claims, by each of these keys."""
        ids = self.claim_ids
        return lambda address: [each.of(address) for each in ids]

    def derive(self, purpose: str) -> bytes:
        """A key for one purpose, of 32 octets."""
        return hmac.digest(self.service, purpose.encode(), "sha256")


def load_keyring(folder: Path, *, production: bool = False) -> Keyring:
    """The secrets from REPRISE_CLAIMS_KEY and REPRISE_SERVICE_KEY (base64), else from a folder, else newly made.

    In production none is generated: two processes with different secrets, or one that has lost its folder, would let
    two people have one address. REPRISE_NEXT_CLAIMS_KEY is never generated. Raises `SecretMissingError`.
    """
    following = folder / "next-claims.key"
    is_replaced = "REPRISE_NEXT_CLAIMS_KEY" in os.environ or following.exists()
    return Keyring(
        claims=secret_from("REPRISE_CLAIMS_KEY", folder / "claims.key", makes=not production),
        service=secret_from("REPRISE_SERVICE_KEY", folder / "service.key", makes=not production),
        next_claims=secret_from("REPRISE_NEXT_CLAIMS_KEY", following, makes=False) if is_replaced else None,
    )


def secret_from(variable: str, path: Path, *, makes: bool = True) -> bytes:
    """A secret from a variable (base64), else from a file, made if there is none and it may be.

    Raises `SecretMissingError`.
    """
    text = os.environ.get(variable)
    if text is None:
        if not makes and not path.exists():
            raise SecretMissingError(f"{variable} must be set, or be in {path}: it is not generated in production.")
        return _long_enough(_secret_file(path), f"The file {path}", "long")
    try:
        secret = b64decode(text, validate=True)
    except ValueError:
        secret = b""
    return _long_enough(secret, variable, "in base64")


def _long_enough(secret: bytes, what: str, form: str) -> bytes:
    if len(secret) < KEY_OCTETS:
        raise SecretMissingError(f"{what} must be at least {KEY_OCTETS} octets {form}.")
    return secret


def _secret_file(path: Path) -> bytes:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileNotFoundError):
        return path.read_bytes()
    # If another process is faster, its secret is the one.
    with suppress(FileExistsError):
        write_whole(path, secrets.token_bytes(KEY_OCTETS), replacing=False)
    return path.read_bytes()


class ClaimIds:
    """Gives each address the id of its claim: a keyed hash, so that the id says nothing without the key."""

    def __init__(self, key: bytes) -> None:
        self._mac = Mac(key)

    @property
    def fingerprint(self) -> str:
        """Identifies the key without revealing it."""
        return self._mac.of(b"fingerprint")[:FINGERPRINT_OCTETS].hex()

    def of(self, address: EmailAddress) -> UUID:
        """A UUID version 8 (RFC 9562 section 5.8) of HMAC-SHA-256 over the address's key form."""
        return self._of(email_key(address))

    def of_older_form(self, address: EmailAddress) -> UUID | None:
        """The id by a key form that domains with ß once had, until claims are rotated; None where it is the same."""
        older = search_key(address)
        return None if older == email_key(address) else self._of(older)

    def _of(self, key_form: str) -> UUID:
        digest = self._mac.of(b"email:" + key_form.encode())
        return UUID(
            bytes=digest[:6] + bytes([digest[6] & 0x0F | 0x80, digest[7], digest[8] & 0x3F | 0x80]) + digest[9:16]
        )


class MailedTokens:
    """Tokens for email requests, made from the request itself: nothing about them is stored anywhere.

    Form: base64url of user id (16 octets), version of the user at which was asked (4), and a MAC (24) over both, the
    address and the deadline.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def issue(self, user_id: UUID, request: EmailRequest) -> str:
        """The token for this request of this user."""
        head = user_id.bytes + request.asked_at_version.to_bytes(4)
        signed = head + int(request.confirm_by.timestamp()).to_bytes(8) + email_key(request.email).encode()
        return (
            urlsafe_b64encode(head + hmac.digest(self._key, signed, "sha256")[:TOKEN_MAC_OCTETS]).decode().rstrip("=")
        )

    def user_of(self, token: str) -> UUID:
        """The user a token claims to be for. Raises `VerificationTokenInvalid` for what has not a token's form."""
        return UUID(bytes=_octets_of(token)[:16])

    def version_of(self, token: str) -> int:
        """The version of the user at which was asked, as a token claims. Raises like `user_of`."""
        return int.from_bytes(_octets_of(token)[16:20])

    def matches(self, token: str, user_id: UUID, request: EmailRequest) -> bool:
        """Whether the token was issued for exactly this request."""
        return hmac.compare_digest(token.encode("ascii", "replace"), self.issue(user_id, request).encode())


def _octets_of(token: str) -> bytes:
    try:
        octets = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
    except (ValueError, UnicodeEncodeError):
        raise errors.VerificationTokenInvalid from None
    if len(octets) != 16 + 4 + TOKEN_MAC_OCTETS:
        raise errors.VerificationTokenInvalid
    return octets


class Cursors:
    """Opaque, signed page marks: base64url of a MAC (12 octets) and the place to go on from."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def seal(self, query: bytes, place: bytes) -> str:
        """A cursor that is only valid for this query."""
        return urlsafe_b64encode(self._mac(query, place) + place).decode().rstrip("=")

    def open(self, query: bytes, cursor: str) -> bytes:
        """The place a cursor marks. Raises `CursorInvalidError`."""
        try:
            octets = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        except (ValueError, UnicodeEncodeError):
            raise CursorInvalidError from None
        mac, place = octets[:CURSOR_MAC_OCTETS], octets[CURSOR_MAC_OCTETS:]
        if not hmac.compare_digest(mac, self._mac(query, place)):
            raise CursorInvalidError
        return place

    def _mac(self, query: bytes, place: bytes) -> bytes:
        return hmac.digest(self._key, len(query).to_bytes(4) + query + place, "sha256")[:CURSOR_MAC_OCTETS]
