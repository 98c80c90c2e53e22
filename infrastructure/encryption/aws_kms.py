"""AWS KMS as the keeper of the key-encryption key, which never leaves it; needs the extra `aws`."""

from typing import Any

import boto3  # type: ignore[import-untyped] # it has none
from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped] # it has none

from infrastructure.encryption.key_encryption import KeyUnusableError

_CONTEXT = {"purpose": "reprise master key"}


class AwsKeyEncryptionKey:
    """A symmetric key in KMS. Credentials and region come from where boto3 finds them."""

    def __init__(self, key_id: str, client: Any = None) -> None:
        self._key_id = key_id
        self._client = client or boto3.client("kms")
        self.name = f"aws-kms:{key_id}"

    def wrap(self, key: bytes) -> bytes:
        """What KMS makes of it. Raises `KeyUnusableError`."""
        try:
            answer = self._client.encrypt(KeyId=self._key_id, Plaintext=key, EncryptionContext=_CONTEXT)
        except (BotoCoreError, ClientError) as error:
            raise KeyUnusableError(f"{self.name} cannot wrap a master key: {_kind(error)}.") from None
        wrapped: bytes = answer["CiphertextBlob"]
        return wrapped

    def unwrap(self, wrapped: bytes) -> bytes:
        """The key that was wrapped. Raises `KeyUnusableError`."""
        try:
            answer = self._client.decrypt(KeyId=self._key_id, CiphertextBlob=wrapped, EncryptionContext=_CONTEXT)
        except (BotoCoreError, ClientError) as error:
            raise KeyUnusableError(f"{self.name} cannot unwrap a master key: {_kind(error)}.") from None
        key: bytes = answer["Plaintext"]
        return key


def _kind(error: Exception) -> str:
    """What went wrong, without what was sent."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "unknown"))
    return type(error).__name__
