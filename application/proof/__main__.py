"""`python -m application.proof FILE --key KEY [--old CHECKPOINT]`: checks a bundle with nothing but this package."""

import argparse
import sys
from pathlib import Path

from application.proof.bundles import BundleInvalidError, BundleReport, verify_bundle
from application.proof.checkpoints import verified_checkpoint
from application.proof.signed_notes import KeyInvalidError, NoteInvalidError, parse_verifier_key


def main(arguments: list[str] | None = None) -> int:
    """0 if the bundle proves what it says, 1 if not."""
    parser = argparse.ArgumentParser(prog="python -m application.proof", description="Checks a bundle.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--key", required=True, action="append", help="a verifier key that you trust")
    parser.add_argument("--old", type=Path, help="a file with a checkpoint that you have kept")
    given = parser.parse_args(arguments)
    try:
        keys = [parse_verifier_key(text) for text in given.key]
        old = verified_checkpoint(given.old.read_text(encoding="utf-8"), keys) if given.old else None
        with given.file.open("rb") as lines:
            *_, report = verify_bundle(lines, keys, old)
    except (KeyInvalidError, NoteInvalidError, BundleInvalidError) as error:
        sys.stderr.write(f"Not proved: {error}\n")
        return 1
    if isinstance(report, BundleReport):
        sys.stdout.write(f"Proved: {report.events} events of {report.origin} at size {report.size}.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
