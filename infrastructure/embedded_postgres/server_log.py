"""What the server and its programs say."""

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from infrastructure.files.private_files import open_to_append

_LAST_WORDS = 2000  # bytes


@dataclass(frozen=True)
class ServerLog:
    """A file that is only appended to."""

    path: Path

    def open(self) -> BinaryIO:
        """Open it to append."""
        return open_to_append(self.path)

    def end(self) -> int:
        """Its size by now, in bytes."""
        return self.path.stat().st_size if self.path.exists() else 0

    def words_since(self, position: int) -> str:
        """The last that was written after it had this size."""
        with self.path.open("rb") as log:
            log.seek(max(position, self.end() - _LAST_WORDS))
            return log.read().decode(errors="replace").strip() or "(nothing)"
