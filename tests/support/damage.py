"""What can be wrong with one person's history, each done to a life of three events: registered, renamed, moved."""

from collections.abc import Callable
from typing import Any

import psycopg

Owner = psycopg.Connection[Any]


def _event(change: str, version: int) -> Callable[[Owner, str], None]:
    def do(owner: Owner, user_id: str) -> None:
        owner.execute(f"UPDATE log.event SET {change} WHERE stream_id = %s AND version = %s", (user_id, version))  # noqa: S608 - ours

    return do


def _key(statement: str) -> Callable[[Owner, str], None]:
    def do(owner: Owner, user_id: str) -> None:
        owner.execute(f"{statement} WHERE subject_id = %s", (user_id,))

    return do


def _gap(owner: Owner, user_id: str) -> None:
    owner.execute("DELETE FROM log.event WHERE stream_id = %s AND version = 2", (user_id,))


def _octet(at: str) -> str:
    return f"state = set_byte(state, {at}, get_byte(state, {at}) # 1)"


DAMAGES: dict[str, Callable[[Owner, str], None]] = {
    "an unknown topic first": _event("topic = 'user.invented'", 1),
    "an unknown topic in between": _event("topic = 'user.invented'", 2),
    "an unknown topic last": _event("topic = 'user.invented'", 3),
    "a topic of another kind of stream": _event("topic = 'email_claim.released'", 2),
    "a first event in the middle": _event("topic = 'user.registered'", 3),
    "a payload of garbage": _event(r"state = '\xdeadbeef'", 1),
    "an empty payload": _event("state = ''", 3),
    "a payload that does not fit": _event("state = '{\"country\": [1]}'", 3),
    "a payload nested without end": _event("state = repeat('[', 60000)::bytea", 3),
    "a garbled ciphertext first": _event(_octet("length(state) - 1"), 1),
    "a garbled ciphertext": _event(_octet("length(state) - 1"), 2),
    "a garbled clear part": _event(_octet("4"), 1),
    "a garbled nonce": _event(_octet("length(state) - 40"), 2),
    "a payload cut off": _event("state = substring(state FROM 1 FOR 6)", 2),
    "a garbled key": _key(r"UPDATE keys.subject_key SET wrapped = '\x0123456789abcdef0123456789abcdef'"),
    "a key cut off": _key(r"UPDATE keys.subject_key SET wrapped = '\x01'"),
    "an empty key": _key("UPDATE keys.subject_key SET wrapped = ''"),
    "a missing key": _key("DELETE FROM keys.subject_key"),
    "a missing version": _gap,
    "a version twice too high": _event("version = 6", 3),
}
"""By what it is."""


def damage(conninfo: str, user_id: str, what: str) -> None:
    """Do it as nobody of ours could: past the triggers."""
    with psycopg.connect(conninfo, autocommit=True) as owner:
        owner.execute("SET session_replication_role = replica")
        DAMAGES[what](owner, user_id)
