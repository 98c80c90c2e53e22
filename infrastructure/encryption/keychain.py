"""The key-encryption keys that this process may use.

What a process may unseal is a property of the process, like its environment, so code that reads the log is not handed
keys. Only settings are stored here; a key is fetched when something is first unwrapped.
"""

import os
from pathlib import Path

from infrastructure.encryption.key_encryption import KeyEncryptionKey, KeyUnusableError, LocalKeyEncryptionKey
from infrastructure.secrets.keyring import secret_from
from infrastructure.settings import SettingInvalidError, Settings

VARIABLE = "REPRISE_KEY_ENCRYPTION_KEY"
NEXT_VARIABLE = "REPRISE_NEXT_KEY_ENCRYPTION_KEY"

_granted: list[Settings] = []
_held: dict[str, KeyEncryptionKey] = {}


def grant(settings: Settings) -> None:
    """Let this process use the key-encryption key that these settings lead to."""
    if settings not in _granted:
        _granted.append(settings)


def granted() -> tuple[Settings, ...]:
    """What was granted, to be granted to a process that this one starts."""
    return tuple(_granted)


def unwrapped(name: str, wrapped: bytes) -> bytes:
    """The key that the key-encryption key of this name wrapped. Raises `KeyUnusableError`."""
    for settings in _granted if name not in _held else ():
        for found in (key_encryption_key(settings), next_key_encryption_key(settings)):
            if found is not None:
                _held[found.name] = found
    if name not in _held:
        has = " and ".join(sorted(_held)) or "none"
        raise KeyUnusableError(
            f"This database's keys are wrapped with the key-encryption key {name}; this process has {has}. "
            f"Give it the right one, in {VARIABLE} or where its keys are kept."
        )
    return _held[name].unwrap(wrapped)


def key_encryption_key(settings: Settings) -> KeyEncryptionKey:
    """The key that settings lead to; a local one is made at the first start. Raises `SettingInvalidError`."""
    if settings.kms_key:
        return _in_aws(settings.kms_key)
    path = settings.key_encryption_key_path
    if settings.production and os.environ.get(VARIABLE) is None:
        _must_be_apart(path, settings)
    return LocalKeyEncryptionKey(secret_from(VARIABLE, path))


def next_key_encryption_key(settings: Settings) -> KeyEncryptionKey | None:
    """The key that is to take its place, if there is one: it wraps the next master key."""
    if settings.next_kms_key:
        return _in_aws(settings.next_kms_key)
    path = settings.next_key_encryption_key_file
    if NEXT_VARIABLE not in os.environ and path is None:
        return None
    if path is not None and not path.exists():
        raise SettingInvalidError("REPRISE_NEXT_KEY_ENCRYPTION_KEY_FILE", "must name an existing file")
    return LocalKeyEncryptionKey(secret_from(NEXT_VARIABLE, path or settings.key_encryption_key_path))


def _in_aws(key_id: str) -> KeyEncryptionKey:
    from infrastructure.encryption.aws_kms import AwsKeyEncryptionKey  # noqa: PLC0415 - boto3 is an optional extra

    return AwsKeyEncryptionKey(key_id)


def _must_be_apart(path: Path, settings: Settings) -> None:
    """In production, whoever steals the data must not get the key with it."""
    if path.resolve().is_relative_to(settings.home.resolve()):
        raise SettingInvalidError(
            "REPRISE_KEY_ENCRYPTION_KEY_FILE",
            "must lead out of REPRISE_HOME in production: the key must not lie beside the data",
        )
    if not path.exists():
        raise SettingInvalidError("REPRISE_KEY_ENCRYPTION_KEY_FILE", "must name an existing file in production")
