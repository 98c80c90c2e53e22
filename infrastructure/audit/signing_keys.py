"""The key that checkpoints are signed with, in a file that only its owner can read; rotated by adding a new one.

The file names the log (its origin) as well: it must never change, and no two logs may have the same.
"""

import secrets
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from application.proof.signed_notes import KEY_OCTETS, SigningKey, VerifierKey, is_key_name, parse_verifier_key
from infrastructure.embedded_postgres.file_lock import FileLock
from infrastructure.private_files import write_whole

FILE = "checkpoint-key.json"


class SigningKeyUnusableError(Exception):
    """The file with the signing key is not what it should be."""


class CheckpointKeys(msgspec.Struct, frozen=True):
    """The key to sign with, and the ones this log was signed with before."""

    signing: SigningKey
    former: tuple[VerifierKey, ...] = ()

    @property
    def trusted(self) -> tuple[VerifierKey, ...]:
        """All keys that are, or were, ours."""
        return (self.signing.verifier, *self.former)


class _Content(msgspec.Struct, frozen=True, rename="camel"):
    origin: str
    private_key: str
    former_keys: list[str] = []


class CheckpointKeyFile:
    """Our own signing key, made when it is first needed."""

    def __init__(self, folder: Path, origin: str | None = None) -> None:
        self._path = folder / FILE
        self._origin = origin

    def keys(self) -> CheckpointKeys:
        """The key and those before it. Safe to call by many processes at once. Raises `SigningKeyUnusableError`."""
        try:
            return self._read()
        except FileNotFoundError:
            pass
        with self._locked():
            return self._read() if self._path.exists() else self._write(self._origin or _new_origin(), ())

    def replace(self) -> CheckpointKeys:
        """A new key for the same log; the old private half is gone, and nothing can be signed with it any more."""
        self.keys()
        with self._locked():
            old = self._read()
            return self._write(old.signing.name, old.trusted)

    def _read(self) -> CheckpointKeys:
        try:
            content = msgspec.json.decode(self._path.read_bytes(), type=_Content)
            private = b64decode(content.private_key, validate=True)
            former = tuple(map(parse_verifier_key, content.former_keys))
        except ValueError:
            raise SigningKeyUnusableError(f"{self._path} is not readable as a signing key.") from None
        if len(private) != KEY_OCTETS or not is_key_name(content.origin):
            raise SigningKeyUnusableError(f"{self._path} does not hold an Ed25519 key for a log.")
        if self._origin not in {None, content.origin}:
            raise SigningKeyUnusableError(f"{self._path} is for the log {content.origin}, not for REPRISE_LOG_ORIGIN.")
        return CheckpointKeys(SigningKey(content.origin, private), former)

    def _write(self, origin: str, former: tuple[VerifierKey, ...]) -> CheckpointKeys:
        if not is_key_name(origin):
            raise SigningKeyUnusableError("REPRISE_LOG_ORIGIN must have visible characters only, and no plus sign.")
        private = Ed25519PrivateKey.generate().private_bytes_raw()
        content = msgspec.json.encode(_Content(origin, b64encode(private).decode(), list(map(str, former))))
        write_whole(self._path, content)
        return CheckpointKeys(SigningKey(origin, private), former)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with FileLock(self._path.with_suffix(".lock")) as lock:
            lock.acquire()
            yield


def _new_origin() -> str:
    """A name that no other log has, for one that was not given any."""
    return f"reprise.invalid/{secrets.token_hex(8)}"
