"""The service's own secrets, and the keys that are derived from them.

Secrets come from the environment, or from files in the home directory that are generated at the first start, readable
by their owner only.
"""

import hmac
import os
import secrets
from base64 import b64decode
from contextlib import suppress
from pathlib import Path

import msgspec

from infrastructure.files.private_files import write_whole

KEY_OCTETS = 32


class SecretMissingError(Exception):
    """A secret that was given is not usable."""


class Keyring(msgspec.Struct, frozen=True):
    """The two secrets: losing the first loses all claims; changing the second only invalidates cursors and tokens."""

    claims: bytes
    service: bytes
    next_claims: bytes | None = None
    """What is to take the place of the first, while it is being replaced."""

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
