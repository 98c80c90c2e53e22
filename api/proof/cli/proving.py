"""`reprise audit`, the part that proves: checkpoints, keys, proofs and bundles."""

from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated
from uuid import UUID

from cyclopts import Parameter
from cyclopts.types import PositiveInt
from psycopg.rows import class_row

from api.access_records.cli.recording import put_file_on_record
from api.cli.catching_up import catch_up
from api.cli.database import Database, open_database
from api.cli.failures import ExitCode, Failure, NotFound
from api.cli.pages import Pages
from api.cli.progress import EventProgress
from api.cli.terminal import Rows, answer, shown
from api.proof.cli.verifying import kept_checkpoint, parsed_keys
from api.proof.views import checkpoint_view, inclusion_view, key_list
from application.history.queries import AuditFilter, Timeline
from application.history.timeline import USER_TIMELINE, TimelineEntry
from application.ports import Service
from application.proof.queries import InclusionProof, PublishedKey
from infrastructure.files.private_files import whole_file
from infrastructure.log.reader import Connection
from infrastructure.postgres.connections import as_sealer
from infrastructure.postgres.logins import Login
from infrastructure.proof.bundling import Subject, last_checkpoint
from infrastructure.proof.bundling import bundle as make_bundle
from infrastructure.proof.checkpointing import seal_to_head
from infrastructure.proof.edge_repair import repair_edge
from infrastructure.proof.key_rotation import rotate_key as replace_key
from infrastructure.proof.signing_keys import checkpoint_key_file
from infrastructure.proof.stored_tree import inclusion_proofs


def checkpoint(*, json: bool = False) -> None:
    """Seal the log and show the newest checkpoint. If you keep it, nobody can change what it covers unnoticed.

    Parameters
    ----------
    json
        Write JSON.

    """
    with open_database(Login.WORKER) as database, _sealed(database) as connection:
        found = last_checkpoint(connection)
    answer(checkpoint_view(found), found.note.removesuffix("\n"), json=json)


def keys(*, json: bool = False) -> None:
    """Show the keys that checkpoints are or were signed with, newest first.

    Parameters
    ----------
    json
        Write JSON.

    """
    with open_database(Login.WORKER) as database, _sealed(database) as connection:
        found = _published_keys(connection)
    rows = [(key.key, key.published_at) for key in found]
    answer(key_list(found), Rows(("key", "published"), rows), json=json)


def rotate_key(*, json: bool = False) -> None:
    """Replace the key that signs checkpoints. The old private key is destroyed, its public key stays published.

    The old key signs a last checkpoint, the handover, which names the new key and which the new key signs, too. So
    anybody who trusts the old key can trust the new one. If the command is interrupted, run it again.

    Parameters
    ----------
    json
        Write JSON.

    """
    with open_database(Login.WORKER) as database, _sealed(database) as connection:
        newest = replace_key(connection, checkpoint_key_file(database.settings))
    told = f"Checkpoints are signed with {newest} from now on. The previous key has handed over to it."
    answer({"key": str(newest)}, told, json=json)


def prove(*, position: PositiveInt, size: PositiveInt | None = None, json: bool = False) -> None:
    """Prove that the event at a position is part of the log.

    Parameters
    ----------
    position
        The position of the event.
    size
        The size of the log to prove it for (default: the size of the newest checkpoint).
    json
        Write JSON.

    """
    with open_database(Login.WORKER) as database, _sealed(database) as connection:
        size = size or last_checkpoint(connection).size
        (proof,) = inclusion_proofs(connection, [position], size)
    answer(inclusion_view(proof), Rows(("", ""), _proof_lines(proof)), json=json)


def bundle(
    *,
    output: Path,
    user: UUID | None = None,
    first: Annotated[PositiveInt | None, Parameter(name="--from")] = None,
    last: Annotated[PositiveInt | None, Parameter(name="--to")] = None,
    old: Path | None = None,
    json: bool = False,
) -> None:
    """Write events, their proofs and a checkpoint to one file that anybody can verify offline.

    Parameters
    ----------
    output
        The file to write. Only its owner can read it.
    user
        All events about the user with this id.
    first
        All events from this position on.
    last
        All events up to this position (default: the newest checkpoint).
    old
        A file with an older checkpoint. The bundle then proves that the log has only grown since.
    json
        Write JSON.

    """
    if (user is None) == (first is None and last is None):
        raise Failure("Use either --user, or --from and --to.", "usage", ExitCode.USAGE)
    with open_database(Login.WORKER) as database, _sealed(database) as connection:
        newest = last_checkpoint(connection)
        trusted = parsed_keys([published.key for published in _published_keys(connection)])
        former = kept_checkpoint(old, trusted) if old else None
        subject = Subject(user=user, first=first or (None if user else 1), last=last or (None if user else newest.size))
        positions = _positions(database, subject, newest.size)
        lines = make_bundle(connection, subject, positions, newest, former)
        with whole_file(output) as file:
            file.writelines(lines)
        whose = f"user {user}" if user else f"positions {subject.first} to {subject.last}"
        put_file_on_record(database, [user] if user else [], f"bundle of {whose}")
    events, size = shown(len(positions)), shown(newest.size)
    answer(
        {"events": len(positions), "size": newest.size, "file": str(output)},
        f"{events} events are in {output}, with proofs for the checkpoint of size {size}.",
        json=json,
    )


def repair(*, json: bool = False) -> None:
    """Store the right edge of the Merkle tree again, as it follows from the log; it is where sealing continues.

    Reads all sealed events. Changes nothing unless they result in the very tree of the newest checkpoint. Sealing waits
    meanwhile; everything else can continue.

    Parameters
    ----------
    json
        Write JSON.

    """
    with (
        open_database(Login.OWNER) as database,
        database.connected() as connection,
        EventProgress("reading") as progress,
    ):
        trusted = checkpoint_key_file(database.settings).keys().trusted
        repair = repair_edge(connection, trusted, progress.show)
    sealed = f"{shown(repair.size)} events are sealed"
    answer(
        {"size": repair.size, "root": b64encode(repair.root).decode(), "repaired": repair.repaired},
        f"The edge of the tree was stored again. {sealed}, as they were signed."
        if repair.repaired
        else f"The edge of the tree is in order. {sealed}.",
        json=json,
    )


@contextmanager
def _sealed(database: Database) -> Iterator[Connection]:
    """A connection of the sealer, when all that is in the log by now is sealed."""
    keys = checkpoint_key_file(database.settings).keys()
    with database.connected(as_sealer) as connection:
        seal_to_head(connection, keys)
        yield connection


def _published_keys(connection: Connection) -> list[PublishedKey]:
    cursor = connection.cursor(row_factory=class_row(PublishedKey))
    cursor.execute("SELECT key, published_at, handover FROM audit.verifier_key ORDER BY published_at DESC, key")
    return cursor.fetchall()


def _positions(database: Database, subject: Subject, size: int) -> Sequence[int]:
    if subject.user is None:
        return range(subject.first or 1, (subject.last or size) + 1)
    wanted = AuditFilter(user_id=subject.user)

    async def timeline(service: Service) -> list[int]:
        pages = Pages[TimelineEntry](lambda page: service.using(Timeline).search(wanted, page), limit=None)
        return [entry.position async for entry in pages.items()]

    catch_up(database.conninfo, USER_TIMELINE)
    found = [position for position in database.with_service(timeline) if position <= size]
    if not found:
        raise NotFound("There is no such user.")
    return found


def _proof_lines(proof: InclusionProof) -> Iterator[tuple[str, str]]:
    yield "position", shown(proof.position)
    yield "size", shown(proof.size)
    yield "leaf", b64encode(proof.leaf_hash).decode()
    for number, step in enumerate(proof.hashes, start=1):
        yield f"step {number}", b64encode(step).decode()
    yield "root", b64encode(proof.root).decode()
