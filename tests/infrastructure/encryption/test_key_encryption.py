"""The key that wraps all others is kept where the operator says, and never beside the data in production."""

from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped] # it has none
import pytest
from moto import mock_aws

from infrastructure.encryption.aws_kms import AwsKeyEncryptionKey
from infrastructure.encryption.key_encryption import KeyUnusableError
from infrastructure.encryption.keychain import VARIABLE, key_encryption_key
from infrastructure.secrets.keyring import SecretMissingError
from infrastructure.settings import SettingInvalidError
from tests.support.running import settings_in


def test_a_local_key_is_made_at_the_first_start_and_found_again(home: Path) -> None:
    made, found = key_encryption_key(settings_in(home)), key_encryption_key(settings_in(home))

    assert made.name == found.name
    assert (home / "keys" / "key-encryption.key").stat().st_mode & 0o777 == 0o600


def test_a_key_may_come_from_the_environment(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, b64encode(b"e" * 32).decode())

    key = key_encryption_key(settings_in(home, REPRISE_PRODUCTION="yes"))

    assert key.unwrap(key.wrap(b"k" * 32)) == b"k" * 32
    assert not (home / "keys").exists()


@pytest.mark.parametrize("given", ["", "not base64!", b64encode(b"short").decode()])
def test_a_key_that_is_none_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv(VARIABLE, given)

    with pytest.raises(SecretMissingError, match=VARIABLE):
        key_encryption_key(settings_in(home))


def test_in_production_the_key_must_not_lie_beside_the_data(home: Path) -> None:
    with pytest.raises(SettingInvalidError, match="must not lie beside the data"):
        key_encryption_key(settings_in(home, REPRISE_PRODUCTION="yes"))

    assert not (home / "keys").exists()


def test_in_production_a_key_is_never_made_up(home: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "secrets" / "key"
    settings = settings_in(home, REPRISE_PRODUCTION="yes", REPRISE_KEY_ENCRYPTION_KEY_FILE=str(elsewhere))

    with pytest.raises(SettingInvalidError, match="must name an existing file"):
        key_encryption_key(settings)

    elsewhere.parent.mkdir()
    elsewhere.write_bytes(b"k" * 32)
    assert key_encryption_key(settings).name.startswith("local:")


@pytest.fixture
def kms(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """AWS, without a network."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-north-1")
    with mock_aws():
        yield boto3.client("kms")


def test_a_key_in_aws_wraps_and_unwraps(kms: Any, home: Path) -> None:
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]

    key = key_encryption_key(settings_in(home, REPRISE_KMS_KEY=key_id))
    wrapped = key.wrap(b"k" * 32)

    assert key.name == f"aws-kms:{key_id}"
    assert b"k" * 32 not in wrapped
    assert AwsKeyEncryptionKey(key_id).unwrap(wrapped) == b"k" * 32


def test_a_key_in_aws_that_is_not_there_or_not_the_one_is_a_clear_error(kms: Any) -> None:
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]

    with pytest.raises(KeyUnusableError, match="cannot wrap a master key: NotFoundException"):
        AwsKeyEncryptionKey("00000000-0000-0000-0000-000000000000").wrap(b"k" * 32)
    with pytest.raises(KeyUnusableError, match="cannot unwrap a master key"):
        AwsKeyEncryptionKey(key_id).unwrap(b"nothing that KMS made")
