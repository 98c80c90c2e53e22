"""Ids of the claims of addresses, derived with a key."""

from uuid import UUID

from application.users.emails.address_claims import ClaimIdsOf
from domain.free_text import search_key
from domain.values import EmailAddress, email_key
from infrastructure.secrets.keyring import Keyring
from infrastructure.secrets.mac import Mac

FINGERPRINT_OCTETS = 8


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


def claim_ids(keyring: Keyring) -> list[ClaimIds]:
    """By the present key of the claims, and by the next one if there is one."""
    return [ClaimIds(key) for key in (keyring.claims, keyring.next_claims) if key is not None]


def claim_ids_of(keyring: Keyring) -> ClaimIdsOf:
    """The ids of an address's claims, by each of these keys."""
    ids = claim_ids(keyring)
    return lambda address: [each.of(address) for each in ids]
