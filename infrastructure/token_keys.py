"""The keys of access tokens: public ones in a JWKS file (RFC 7517), our own signing key in a file of its own."""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import structlog
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey
from joserfc.jws import JWSRegistry

from infrastructure.embedded_postgres.file_lock import FileLock
from infrastructure.private_files import write_whole

log = structlog.get_logger(__name__)

_FITTING: dict[tuple[str, str], tuple[type[ECKey | OKPKey], frozenset[str]]] = {
    ("OKP", "Ed25519"): (OKPKey, frozenset({"EdDSA", "Ed25519"})),
    ("EC", "P-256"): (ECKey, frozenset({"ES256"})),
}
"""The algorithms (RFC 7518, 8037 and 9864) that tokens may be signed with, by type and curve of the key."""


class Algorithms(JWSRegistry):
    """These algorithms and no others. `EdDSA` means Ed25519 here, as everywhere in practice; RFC 9864 renames it."""

    algorithms = {  # noqa: RUF012 - declared like this by the library
        "EdDSA": JWSRegistry.algorithms["Ed25519"],
        "Ed25519": JWSRegistry.algorithms["Ed25519"],
        "ES256": JWSRegistry.algorithms["ES256"],
    }

    def __init__(self) -> None:
        super().__init__(algorithms=list(self.algorithms))


class PublicKey(msgspec.Struct, frozen=True):
    """A key to verify with, and what it is for."""

    key: ECKey | OKPKey
    algorithms: frozenset[str]


class PublicKeys:
    """The keys in a JWKS file, by `kid`; read again when the file changes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._keys: dict[str, PublicKey] = {}

    def current(self) -> dict[str, PublicKey]:
        """The keys as of now: the same object as before, if nothing has changed. None without the file."""
        try:
            stat = os.stat(self._path)  # noqa: PTH116 - on every request: a microsecond less
        except FileNotFoundError:
            stat = None
        seen = (stat.st_mtime_ns, stat.st_size, stat.st_ino) if stat else None
        if seen != self._seen:
            self._keys = self._read() if stat else {}
            self._seen = seen
        return self._keys

    def _read(self) -> dict[str, PublicKey]:
        try:
            return dict(_usable(read_jwks(self._path)))
        except (OSError, ValueError) as error:
            # Half a file is no reason to lock everybody out; a file that is gone is.
            log.error("token_keys.unreadable", path=str(self._path), error=type(error).__name__)  # noqa: TRY400 - no trace needed
            return self._keys


def read_jwks(path: Path) -> list[dict[str, Any]]:
    """The keys in a JWKS file, as they are. Raises `OSError` and `ValueError`."""
    return msgspec.json.decode(path.read_bytes(), type=dict[str, list[dict[str, Any]]])["keys"]


def _usable(jwks: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, PublicKey]]:
    """The keys that tokens may be signed with; keys for anything else may stand in the same file."""
    for jwk in jwks:
        key_type, algorithms = _FITTING.get((str(jwk.get("kty")), str(jwk.get("crv"))), (None, frozenset[str]()))
        kid, algorithm = jwk.get("kid"), jwk.get("alg")
        if key_type is None or not isinstance(kid, str) or jwk.get("use", "sig") != "sig":
            continue
        if algorithm is not None:
            algorithms &= {str(algorithm)}
        public = {name: value for name, value in jwk.items() if name in {"kty", "crv", "x", "y"}}
        try:
            yield kid, PublicKey(key_type.import_key(public), algorithms)
        except (JoseError, ValueError) as error:
            log.warning("token_keys.unusable", kid=kid, error=type(error).__name__)


class SigningKeyFile:
    """Our own Ed25519 signing key, made when it is first needed; its public half stands in the JWKS file."""

    def __init__(self, path: Path, jwks_path: Path) -> None:
        self._path = path
        self._jwks_path = jwks_path

    def key(self) -> OKPKey:
        """The signing key, published. Safe to call by many processes at once."""
        with self._locked():
            try:
                key = OKPKey.import_key(msgspec.json.decode(self._path.read_bytes()))
            except FileNotFoundError:
                key = self._make()
            self._publish(key, forget_others=False)
            return key

    def replace(self, *, forget_others: bool) -> OKPKey:
        """A new signing key. Tokens signed with earlier ones stay good, unless the earlier keys are to be forgotten."""
        with self._locked():
            key = self._make()
            self._publish(key, forget_others=forget_others)
            return key

    def _make(self) -> OKPKey:
        key = OKPKey.generate_key("Ed25519", {"use": "sig"}, auto_kid=True)
        write_whole(self._path, _document(key.as_dict(private=True)))
        return key

    def _publish(self, key: OKPKey, *, forget_others: bool) -> None:
        try:
            present = read_jwks(self._jwks_path)
        except FileNotFoundError:
            present = []
        if not forget_others and any(jwk.get("kid") == key.kid for jwk in present):
            return
        others = [] if forget_others else present
        published = {"keys": [*others, {**key.as_dict(private=False), "alg": "EdDSA"}]}
        write_whole(self._jwks_path, _document(published), public=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with FileLock(self._path.with_suffix(".lock")) as lock:
            lock.acquire()
            yield


def _document(content: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(content))
