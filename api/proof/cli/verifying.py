"""`reprise audit verify`: verifies a bundle, with nothing but a key, or the whole log."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from api.cli.failures import ExitCode, Failure
from api.cli.terminal import Rows, answer, shown
from application.proof.bundles import BundleInvalidError, BundleReport, verify_bundle
from application.proof.checkpoints import Checkpoint, parse_checkpoint, verified_checkpoint
from application.proof.handovers import with_successors
from application.proof.signed_notes import (
    KeyInvalidError,
    NoteInvalidError,
    VerifierKey,
    parse_verifier_key,
    signed_by,
)

if TYPE_CHECKING:
    from api.cli.database import Database

Keys = Annotated[list[str] | None, Parameter(name="--key", negative=())]


def verify(file: Path | None = None, /, *, key: Keys = None, old: Path | None = None, json: bool = False) -> None:
    """Verify a bundle, without a database, or the whole log.

    The whole log is verified against its own tree and checkpoints: every event must be there, unchanged, in order, and
    readable. Findings are shown with their positions, and the exit code is 1 if there are any.

    Parameters
    ----------
    file
        A bundle written by `reprise audit bundle` (default: verify the whole log).
    key
        A verifier key that you trust; keys that it has handed over to are trusted, too. Can be repeated. Required for a
        bundle. Without it, the whole log is verified with the keys that it has published itself.
    old
        A file with a checkpoint that you have kept. The log must have grown from it.
    json
        Write JSON.

    """
    trusted = parsed_keys(key or [])
    if file is None:
        _verify_log(trusted, old, json=json)
    elif trusted:
        _verify_file(file, trusted, old, json=json)
    else:
        raise Failure("Name a key that you trust to verify a bundle: --key.", "usage", ExitCode.USAGE)


def parsed_keys(texts: Sequence[str]) -> list[VerifierKey]:
    """Verifier keys from their texts."""
    try:
        return [parse_verifier_key(text) for text in texts]
    except KeyInvalidError as error:
        raise Failure(str(error), "key_invalid", ExitCode.USAGE) from None


def kept_checkpoint(path: Path, keys: Sequence[VerifierKey]) -> Checkpoint:
    """A checkpoint that somebody has kept in a file."""
    try:
        return verified_checkpoint(path.read_text(encoding="utf-8"), keys)
    except (NoteInvalidError, UnicodeDecodeError) as error:
        raise Failure(f"{path} is not a checkpoint of this log: {error}.", "checkpoint_invalid") from None


def _verify_file(file: Path, keys: Sequence[VerifierKey], old: Path | None, *, json: bool) -> None:
    former = kept_checkpoint(old, keys) if old else None
    report = None
    try:
        with file.open("rb") as lines:
            for told in verify_bundle(lines, keys, former):
                report = told if isinstance(told, BundleReport) else None
    except BundleInvalidError as error:
        raise Failure(f"Not proved: {error}.", "not_proved") from None
    if report is None:
        raise Failure("Not proved: the bundle is incomplete.", "not_proved")
    grown = f", which has grown from {shown(report.grown_from)}" if report.grown_from else ""
    proved = f"Proved: {shown(report.events)} events of {report.origin} at size {shown(report.size)}{grown}."
    answer(report, proved, json=json)


def _verify_log(given: Sequence[VerifierKey], old: Path | None, *, json: bool) -> None:
    from api.cli.database import open_database
    from api.cli.progress import EventProgress
    from infrastructure.postgres.connections import as_sealer
    from infrastructure.postgres.logins import Login
    from infrastructure.proof.verification import verify_log

    with open_database(Login.WORKER) as database:
        published, handovers = _published(database)
        keys = _with_successors(given or published, handovers)
        kept = [*_checkpoints_of(handovers, keys), *([kept_checkpoint(old, keys)] if old else [])]
        with EventProgress("verifying") as progress:
            verified = verify_log(as_sealer(database.conninfo), keys, kept, lambda p: progress.show(p.done, p.total))
    rows = [(finding.position, finding.kind, finding.message) for finding in verified.findings]
    sealed = f"{shown(verified.sealed)} of them sealed, {shown(verified.checkpoints)} checkpoints"
    answer(
        verified,
        Rows(("position", "what", "why"), rows) if rows else None,
        f"{shown(verified.events)} events, {sealed}, {shown(len(rows))} findings.",
        None if given else "Verified with the log's own keys. Use --key to name one that you trust.",
        json=json,
    )
    if verified.findings:
        sys.stdout.flush()
        raise Failure("The log has been changed or is damaged.", "log_not_proved")


def _published(database: "Database") -> tuple[list[VerifierKey], list[str]]:
    """The log's own keys, and how each has handed over to the next."""
    from infrastructure.postgres.connections import as_sealer
    from infrastructure.proof.key_rotation import published_handovers

    with database.connected(as_sealer) as connection:
        keys = parsed_keys([key for (key,) in connection.execute("SELECT key FROM audit.verifier_key")])
        return keys, published_handovers(connection)


def _with_successors(keys: Sequence[VerifierKey], handovers: Sequence[str]) -> list[VerifierKey]:
    try:
        return with_successors(keys, handovers)
    except NoteInvalidError as error:
        raise Failure(f"The handover from a key to the next is invalid: {error}.", "log_not_proved") from None


def _checkpoints_of(handovers: Sequence[str], keys: Sequence[VerifierKey]) -> list[Checkpoint]:
    """What the log was at each handover by a trusted key: it must have grown from that."""
    signed = (signed_by(note, keys) for note in handovers)
    return [parse_checkpoint(text) for text, signers in signed if signers]
