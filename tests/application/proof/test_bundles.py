"""Bundles: what they prove, and that nothing can be changed in them."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
from msgspec.structs import replace

from application.proof.__main__ import main
from application.proof.bundles import (
    BundledEvent,
    BundleHead,
    BundleInvalidError,
    BundleReport,
    Growth,
    bundle_lines,
    verify_bundle,
)
from application.proof.checkpoints import Checkpoint, signed
from application.proof.handovers import handover
from application.proof.leaves import StoredEvent, encode
from application.proof.signed_notes import SigningKey
from tests.support.trees import StoredTree

KEY = SigningKey("log.example/people", bytes(range(32)))
OTHER = SigningKey("log.example/people", bytes(range(1, 33)))
ANN, BOB, CLAIM = (UUID(int=number) for number in (1, 2, 3))


def event(position: int, stream: UUID, version: int, state: bytes = b"{}") -> StoredEvent:
    instant = datetime(2026, 3, 14, tzinfo=UTC) + timedelta(seconds=position)
    topic = "email_claim.claimed" if stream == CLAIM else "user.country_changed"
    return StoredEvent(
        position=position, recorded_at=instant, stream_id=stream, version=version, topic=topic, state=state
    )


LOG = [
    event(1, ANN, 1),
    event(2, CLAIM, 1, b'{"user_id":"%s"}' % str(ANN).encode()),
    event(3, BOB, 1),
    event(4, ANN, 2),
    event(5, BOB, 2),
    event(6, ANN, 3),
    event(7, BOB, 3),
]
TREE = StoredTree([encode(recorded) for recorded in LOG])
SIZE = len(LOG)
NOTE = signed(Checkpoint(KEY.name, SIZE, TREE.root(SIZE)), KEY)
OLD = Checkpoint(KEY.name, 4, TREE.root(4))


def bundled(positions: Sequence[int], **head: Any) -> list[bytes]:
    about = {"events": len(positions), "checkpoint": NOTE, **head}
    events = [BundledEvent(encode(LOG[p - 1]), TREE.inclusion(p - 1, SIZE)) for p in positions]
    return list(bundle_lines(BundleHead(**about), events))


OF_ANN = bundled([1, 2, 4, 6], user=ANN)
NEWER = SigningKey("log.example/people", bytes(range(2, 34)))
HANDED_OVER = bundled(
    [3],
    first=3,
    last=3,
    format="reprise-bundle/2",
    checkpoint=signed(Checkpoint(KEY.name, SIZE, TREE.root(SIZE)), NEWER),
    handovers=[handover(OLD, KEY, NEWER)],
)
"""By a key that KEY has handed over to."""
RANGE = bundled([3, 4, 5], first=3, last=5, growth=Growth(4, TREE.consistency(4, SIZE)))


def proved(lines: Sequence[bytes], old: Checkpoint | None = None, key: SigningKey = KEY) -> BundleReport:
    *events, report = verify_bundle(lines, [key.verifier], old)
    assert isinstance(report, BundleReport)
    assert report.events == len(events)
    return report


def test_all_about_a_user_is_proved() -> None:
    report = proved(OF_ANN)

    assert (report.origin, report.size, report.user, report.events) == (KEY.name, SIZE, ANN, 4)
    assert list(verify_bundle(OF_ANN, [KEY.verifier]))[:-1] == [LOG[p - 1] for p in (1, 2, 4, 6)]


def test_a_range_is_proved() -> None:
    report = proved(RANGE)

    assert (report.first_position, report.last_position, report.grown_from) == (3, 5, None)


def test_that_the_log_has_only_grown_is_proved() -> None:
    assert proved(RANGE, OLD).grown_from == 4
    assert proved(OF_ANN, Checkpoint(KEY.name, SIZE, TREE.root(SIZE))).grown_from == SIZE


def test_a_key_that_was_handed_over_to_is_believed_by_whoever_trusts_the_one_before() -> None:
    assert proved(HANDED_OVER, key=KEY).events == 1
    assert proved(HANDED_OVER, key=NEWER).events == 1
    with pytest.raises(BundleInvalidError, match="none of the trusted keys"):
        proved(HANDED_OVER, key=OTHER)


def test_without_a_handover_no_other_key_is_believed() -> None:
    head = msgspec.json.decode(HANDED_OVER[0], type=BundleHead)
    without = bundle_lines(replace(head, format="reprise-bundle/1", handovers=msgspec.UNSET), [])

    with pytest.raises(BundleInvalidError, match="none of the trusted keys"):
        proved([next(without), *HANDED_OVER[1:]])


@pytest.mark.parametrize(
    ("lines", "old"),
    [
        (RANGE, replace(OLD, root=TREE.root(3))),
        (RANGE, replace(OLD, size=3, root=TREE.root(3))),
        (RANGE, replace(OLD, origin="log.example/other")),
        (RANGE, replace(OLD, size=9)),
        (OF_ANN, OLD),
        (OF_ANN, Checkpoint(KEY.name, SIZE, TREE.root(3))),
    ],
    ids=[
        "another root",
        "another size",
        "another log",
        "a longer log",
        "no proof of growth",
        "another log of this size",
    ],
)
def test_a_log_that_is_not_the_one_that_was_seen_before_is_refused(lines: list[bytes], old: Checkpoint) -> None:
    with pytest.raises(BundleInvalidError):
        proved(lines, old)


@pytest.mark.parametrize("lines", [OF_ANN, RANGE, HANDED_OVER], ids=["user", "range", "handed over"])
def test_one_changed_octet_anywhere_is_found(lines: list[bytes]) -> None:
    whole = b"".join(lines)
    for place in range(len(whole)):
        for change in (1, 2, 0x20, 0x80):
            spoiled = whole[:place] + bytes([whole[place] ^ change]) + whole[place + 1 :]
            with pytest.raises(BundleInvalidError):
                proved(spoiled.splitlines(keepends=True), OLD if lines is RANGE else None)


@pytest.mark.parametrize("lines", [OF_ANN, RANGE, HANDED_OVER], ids=["user", "range", "handed over"])
def test_an_octet_that_is_missing_or_added_is_found(lines: list[bytes]) -> None:
    whole = b"".join(lines)
    for place in range(len(whole)):
        for spoiled in (whole[:place] + whole[place + 1 :], whole[:place] + b" " + whole[place:], whole[:place]):
            with pytest.raises(BundleInvalidError):
                proved(spoiled.splitlines(keepends=True), OLD if lines is RANGE else None)


WRONG: dict[str, list[bytes]] = {
    "nothing": [],
    "an event less": OF_ANN[:-1],
    "an event twice": [*OF_ANN[:2], OF_ANN[1], *OF_ANN[2:]],
    "another order": [OF_ANN[0], *OF_ANN[:0:-1]],
    "somebody else's event": bundled([1, 2, 3, 4, 6], user=ANN),
    "a version left out": bundled([1, 2, 6], user=ANN),
    "the first version left out": bundled([2, 4, 6], user=ANN),
    "nothing of the user": bundled([], user=ANN),
    "a position left out": bundled([3, 5], first=3, last=5),
    "fewer than announced": bundled([3, 4], first=3, last=5),
    "about nobody": bundled([3, 4, 5]),
    "about a user and a range": bundled([1, 2, 4, 6], user=ANN, first=1, last=6),
    "another format": bundled([1, 2, 4, 6], user=ANN, format="reprise-bundle/2"),
    "handovers in the older format": bundled([3], first=3, last=3, handovers=[handover(OLD, KEY, NEWER)]),
    "no handover in the newer format": bundled([3], first=3, last=3, format="reprise-bundle/2", handovers=[]),
    "no checkpoint": bundled([1, 2, 4, 6], user=ANN, checkpoint=""),
    "a checkpoint of another size": bundled(
        [1, 2, 4, 6], user=ANN, checkpoint=signed(Checkpoint(KEY.name, 6, TREE.root(6)), KEY)
    ),
}


@pytest.mark.parametrize("lines", WRONG.values(), ids=WRONG)
def test_a_bundle_that_does_not_hold_what_it_says_is_refused(lines: list[bytes]) -> None:
    with pytest.raises(BundleInvalidError):
        proved(lines)


def test_a_bundle_is_refused_with_another_key() -> None:
    with pytest.raises(BundleInvalidError, match="none of the trusted keys"):
        proved(OF_ANN, key=OTHER)


def test_an_unknown_field_is_refused() -> None:
    head = msgspec.json.decode(OF_ANN[0], type=dict[str, Any])
    spoiled = msgspec.json.encode({**head, "note": "trust me"}) + b"\n"

    with pytest.raises(BundleInvalidError):
        proved([spoiled, *OF_ANN[1:]])


@pytest.fixture
def file(tmp_path: Path) -> Callable[[bytes], str]:
    def written(content: bytes) -> str:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}"
        path.write_bytes(content)
        return str(path)

    return written


def test_a_bundle_is_verified_with_nothing_but_this_package(file: Callable[[bytes], str]) -> None:
    old = file(signed(OLD, KEY).encode())
    loaded = "import sys; from application.proof.__main__ import main; code = main(sys.argv[1:]); "
    nothing_else = (
        "assert not {'psycopg', 'litestar', 'infrastructure', 'domain', 'api'} & set(sys.modules); sys.exit(code)"
    )
    command = [sys.executable, "-c", loaded + nothing_else, file(b"".join(RANGE)), "--key", str(KEY.verifier)]

    ended = subprocess.run([*command, "--old", old], capture_output=True, check=False)

    assert (ended.returncode, ended.stderr) == (0, b"")
    assert ended.stdout == b"Proved: 3 events of log.example/people at size 7.\n"


@pytest.mark.parametrize(
    ("content", "key", "old"),
    [
        (b"".join(RANGE), str(OTHER.verifier), None),
        (b"".join(RANGE), "no key", None),
        (b"".join(RANGE[:-1]), str(KEY.verifier), None),
        (b"", str(KEY.verifier), None),
        (b"".join(OF_ANN), str(KEY.verifier), signed(OLD, KEY)),
        (b"".join(RANGE), str(KEY.verifier), "nothing"),
    ],
    ids=["another key", "no key", "cut off", "empty", "no proof of growth", "no checkpoint"],
)
def test_what_is_not_proved_ends_with_1(
    file: Callable[[bytes], str],
    capsys: pytest.CaptureFixture[str],
    content: bytes,
    key: str,
    old: str | None,
) -> None:
    arguments = [file(content), "--key", key, *(["--old", file(old.encode())] if old else [])]

    assert main(arguments) == 1
    assert capsys.readouterr().err.startswith("Not proved: ")
