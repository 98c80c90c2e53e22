"""The keys of a made-up population: made from ids, so that a million of them need not be kept."""

import hashlib
from uuid import UUID

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from benchmarks.population import Fact
from infrastructure.encryption.sealed_form import seal
from infrastructure.encryption.subject_keys import SubjectKey
from infrastructure.log.event_codec import FORMS


def secret_of(user_id: UUID) -> bytes:
    """The key of somebody made up."""
    return hashlib.sha256(b"made-up key" + user_id.bytes).digest()


def key_of(user_id: UUID) -> SubjectKey:
    """What seals the facts about somebody whose key is stored already."""
    return SubjectKey(user_id, AESGCM(secret_of(user_id)))


def sealed(fact: Fact) -> bytes:
    """What the log holds of a fact."""
    personal = FORMS[fact.topic].personal
    if not personal:
        return fact.state
    fields = msgspec.json.decode(fact.state, type=dict[str, msgspec.Raw])
    parts = (
        {name: value for name, value in fields.items() if (name in personal) is wanted} for wanted in (False, True)
    )
    clear, secret = map(msgspec.json.encode, parts)
    return seal(AESGCM(secret_of(fact.stream_id)), clear, secret, fact.stream_id, fact.version, fact.topic)
