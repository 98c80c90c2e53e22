"""The key that checkpoints are signed with, in a file that only its owner can read; it hands over to a new one.

The file names the log (its origin) as well: it must never change, and no two logs may have the same.
"""

import secrets
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace

from application.proof.signed_notes import KEY_OCTETS, SigningKey, VerifierKey, is_key_name, parse_verifier_key
from infrastructure.files.file_lock import FileLock
from infrastructure.files.private_files import write_whole
from infrastructure.settings import Settings

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
    next_private_key: str | None = None
    """The key that is to sign from now on, once the present one has handed over to it."""


class CheckpointKeyFile:
    """Our own signing key, made when it is first needed."""

    def __init__(self, folder: Path, origin: str | None = None, *, production: bool = False) -> None:
        self._path = folder / FILE
        self._origin = origin
        self._production = production

    def keys(self) -> CheckpointKeys:
        """The key and its predecessors. Safe to call concurrently. Raises `SigningKeyUnusableError`."""
        try:
            return self._keys(self._read())
        except FileNotFoundError:
            pass
        with self._locked():
            return self._keys(self._read() if self._path.exists() else self._made())

    def next_key(self) -> SigningKey:
        """The key to hand over to, generated if there is none; an interrupted rotation continues with it."""
        self.keys()
        with self._locked():
            content = self._read()
            following = content.next_private_key or _new_private_key()
            if content.next_private_key is None:
                self._write(replace(content, next_private_key=following))
        return SigningKey(content.origin, _private(following))

    def hand_over(self, successor: VerifierKey) -> CheckpointKeys:
        """Sign with the next key from now on; the old private half is gone. Changes nothing if that is done already."""
        with self._locked():
            content = self._read()
            keys = self._keys(content)
            following = content.next_private_key
            if following is None or SigningKey(content.origin, _private(following)).verifier != successor:
                return keys
            content = _Content(content.origin, following, list(map(str, keys.trusted)))
            self._write(content)
        return self._keys(content)

    def _read(self) -> _Content:
        try:
            content = msgspec.json.decode(self._path.read_bytes(), type=_Content)
            keys = [_private(key) for key in (content.private_key, content.next_private_key) if key is not None]
        except ValueError:
            raise SigningKeyUnusableError(f"{self._path} is not a signing key.") from None
        if {*map(len, keys)} != {KEY_OCTETS} or not is_key_name(content.origin):
            raise SigningKeyUnusableError(f"{self._path} does not contain an Ed25519 key for a log.")
        if self._origin not in {None, content.origin}:
            raise SigningKeyUnusableError(f"{self._path} is for the log {content.origin}, not for REPRISE_LOG_ORIGIN.")
        return content

    def _keys(self, content: _Content) -> CheckpointKeys:
        try:
            former = tuple(map(parse_verifier_key, content.former_keys))
        except ValueError:
            raise SigningKeyUnusableError(f"{self._path} is not a signing key.") from None
        return CheckpointKeys(SigningKey(content.origin, _private(content.private_key)), former)

    def _made(self) -> _Content:
        if self._production and self._origin is None:
            raise SigningKeyUnusableError(
                "REPRISE_LOG_ORIGIN must be set in production: it names the log, for ever. "
                f"If it has one already, its key is missing at {self._path}."
            )
        content = _Content(self._origin or _new_origin(), _new_private_key())
        if not is_key_name(content.origin):
            raise SigningKeyUnusableError("REPRISE_LOG_ORIGIN must have only visible characters and no plus sign.")
        self._write(content)
        return content

    def _write(self, content: _Content) -> None:
        write_whole(self._path, msgspec.json.encode(content))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with FileLock(self._path.with_suffix(".lock")) as lock:
            lock.acquire()
            yield


def checkpoint_key_file(settings: Settings) -> CheckpointKeyFile:
    """Where settings keep the key."""
    return CheckpointKeyFile(settings.keys, settings.log_origin, production=settings.production)


def _new_origin() -> str:
    """A name that no other log has, for one that was not given any."""
    return f"reprise.invalid/{secrets.token_hex(8)}"


def _new_private_key() -> str:
    return b64encode(Ed25519PrivateKey.generate().private_bytes_raw()).decode()


def _private(text: str) -> bytes:
    return b64decode(text, validate=True)
