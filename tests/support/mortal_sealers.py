"""`python -m tests.support.mortal_sealers CONNINFO FOLDER`: sealers to be killed, each forked when a line comes in.

A line is the seed of a sealer; its process id is answered, and `gone` when it has been killed. Forking spares each of
them the start of a Python.
"""

import os
import random
import sys
from pathlib import Path

from infrastructure.proof.checkpointing import seal_batch
from infrastructure.proof.signing_keys import CheckpointKeyFile
from tests.support.audited import sealer


def seal_for_ever(conninfo: str, folder: Path, draw: random.Random) -> None:
    """Seal in small batches until killed."""
    keys = CheckpointKeyFile(folder).keys()
    with sealer(conninfo) as connection:
        while True:
            seal_batch(connection, keys, draw.randint(1, 40))


def main(conninfo: str, folder: Path) -> None:
    for seed in sys.stdin:
        process = os.fork()
        if process == 0:
            seal_for_ever(conninfo, folder, random.Random(seed))
        print(process, flush=True)  # noqa: T201 - this is how it answers
        os.waitpid(process, 0)
        print("gone", flush=True)  # noqa: T201 - the same


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
