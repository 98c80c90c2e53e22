"""Which release of Reprise is running."""

import msgspec


class Release(msgspec.Struct, frozen=True):
    """A version and, if known, the build: the commit that it was made from."""

    version: str
    build: str | None = None

    def __str__(self) -> str:
        return f"{self.version} (build {self.build})" if self.build else self.version
