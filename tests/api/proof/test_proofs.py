"""Checkpoints and proofs over HTTP: enough for anybody to check the log with programs of their own."""

from base64 import b64decode
from typing import Any

import httpx
import pytest

from application.actors import Role
from application.proof.checkpoints import verified_checkpoint
from application.proof.merkle_tree import verify_consistency, verify_inclusion
from application.proof.signed_notes import VerifierKey, parse_verifier_key
from tests.support.api import Api, Caller, refusal
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
def auditor(api: Api) -> Caller:
    return api.as_(Role.AUDITOR, "eve")


def sealed(api: Api, auditor: Caller) -> httpx.Response:
    """The checkpoint that covers everything there is by now."""
    head = api.head()
    found: list[httpx.Response] = []

    def look() -> bool:
        found.append(auditor.get("/v1/audit/checkpoint"))
        return found[-1].status_code == 200 and found[-1].json()["size"] >= head

    eventually(look, "a checkpoint")
    return found[-1]


def keys_of(api: Api) -> list[VerifierKey]:
    listed = api.with_token(None).get("/v1/audit/keys")
    return [parse_verifier_key(item["key"]) for item in listed.json()["items"]]


def octets(hashes: list[str]) -> list[bytes]:
    return [b64decode(text) for text in hashes]


def test_every_event_is_soon_under_a_checkpoint_that_a_published_key_has_signed(api: Api, auditor: Caller) -> None:
    position = api.register().json()["position"]
    answer = sealed(api, auditor)

    checkpoint = verified_checkpoint(answer.json()["note"], keys_of(api))

    assert checkpoint.size == answer.json()["size"] >= position
    assert answer.headers["log-position"] == str(checkpoint.size)


def test_an_event_is_proved_to_be_in_the_log(api: Api, auditor: Caller) -> None:
    position = api.register().json()["position"]
    checkpoint = verified_checkpoint(sealed(api, auditor).json()["note"], keys_of(api))

    proof = auditor.get(f"/v1/audit/proofs/inclusion?position={position}&size={checkpoint.size}").json()

    leaf, hashes = b64decode(proof["leafHash"]), octets(proof["hashes"])
    verify_inclusion(leaf, position - 1, checkpoint.size, hashes, checkpoint.root)
    assert b64decode(proof["root"]) == checkpoint.root


def test_the_log_is_proved_to_have_only_grown(api: Api, auditor: Caller) -> None:
    api.register()
    old = verified_checkpoint(sealed(api, auditor).json()["note"], keys_of(api))
    api.register()
    new = verified_checkpoint(sealed(api, auditor).json()["note"], keys_of(api))

    proof = auditor.get(f"/v1/audit/proofs/consistency?from={old.size}&to={new.size}").json()

    verify_consistency(old.size, new.size, octets(proof["hashes"]), old.root, new.root)


def test_without_a_size_a_proof_is_as_of_the_newest_checkpoint(api: Api, auditor: Caller) -> None:
    api.register()
    size = sealed(api, auditor).json()["size"]

    inclusion = auditor.get("/v1/audit/proofs/inclusion?position=1").json()
    consistency = auditor.get("/v1/audit/proofs/consistency?from=1").json()

    assert inclusion["size"] >= size
    assert consistency["newSize"] >= size


def test_old_checkpoints_are_kept(api: Api, auditor: Caller) -> None:
    api.register()
    old: dict[str, Any] = sealed(api, auditor).json()
    api.register()
    sealed(api, auditor)

    assert auditor.get(f"/v1/audit/checkpoint?size={old['size']}").json() == old


@pytest.mark.parametrize(
    "query",
    [
        "checkpoint?size=9999999",
        "proofs/inclusion?position=9999999",
        "proofs/inclusion?position=1&size=9999999",
        "proofs/inclusion?position=2&size=1",
        "proofs/consistency?from=9999999",
        "proofs/consistency?from=2&to=1",
        "proofs/consistency?from=1&to=9999999",
    ],
)
def test_what_is_not_sealed_is_not_found(api: Api, auditor: Caller, query: str) -> None:
    api.register()
    sealed(api, auditor)

    refusal(auditor.get(f"/v1/audit/{query}"), 404, "not_sealed")


@pytest.mark.parametrize(
    "query",
    [
        "checkpoint?size=0",
        "proofs/inclusion",
        "proofs/inclusion?position=0",
        "proofs/inclusion?position=x",
        "proofs/consistency",
        "proofs/consistency?from=0",
        "proofs/consistency?from=1&to=-1",
    ],
)
def test_what_cannot_be_a_position_is_refused(auditor: Caller, query: str) -> None:
    refusal(auditor.get(f"/v1/audit/{query}"), 400, "parameter_invalid")


def test_a_log_that_was_never_sealed_has_neither_checkpoint_nor_keys(own_api: Api) -> None:
    own_api.register()
    auditor = own_api.as_(Role.AUDITOR)

    refusal(auditor.get("/v1/audit/checkpoint"), 404, "not_sealed")
    refusal(auditor.get("/v1/audit/proofs/inclusion?position=1"), 404, "not_sealed")
    assert own_api.with_token(None).get("/v1/audit/keys").json() == {"items": []}


def test_a_checkpoint_must_be_as_new_as_was_asked_for(api: Api, auditor: Caller) -> None:
    api.register()
    sealed(api, auditor)

    answer = auditor.get("/v1/audit/checkpoint", headers={"Min-Log-Position": "9999999"})

    refusal(answer, 400, "position_unknown")
