"""Codes are those of HMAC-SHA-256, whatever is done to make them fast."""

import hmac

from hypothesis import given
from hypothesis import strategies as st

from infrastructure.secrets.mac import Mac


@given(st.binary(min_size=1, max_size=200), st.lists(st.binary(max_size=300), min_size=1, max_size=3))
def test_codes_are_those_of_the_standard_library_for_one_message_after_the_other(
    key: bytes, messages: list[bytes]
) -> None:
    """Keys longer than a block of the hash included; one message leaves nothing behind for the next."""
    mac = Mac(key)

    assert [mac.of(message) for message in messages] == [hmac.digest(key, message, "sha256") for message in messages]
