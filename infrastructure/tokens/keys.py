"""The keys of access tokens: public ones in a JWKS file (RFC 7517), our own signing key in a file of its own."""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_ISREG
from typing import Any

import msgspec
import structlog
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey
from joserfc.jws import JWSRegistry

from application.access_tokens import KeysFault
from infrastructure.files.file_lock import FileLock
from infrastructure.files.private_files import write_whole
from infrastructure.settings import OWN_JWKS_FILE, SettingInvalidError, Settings

log = structlog.get_logger(__name__)

KEPT_SECONDS = 3_600.0
"""How long the keys of a file that cannot be read any more are believed: long enough to mend it, and no longer."""
LOOK_AGAIN_SECONDS = 1.0
"""How often a file at fault is read again; the fault may go without a change of the file."""
OCTETS_LIMIT = 262_144
KEYS_LIMIT = 100
"""No identity provider has as many at a time; each takes a tenth of a millisecond to set up."""
SIGNING_KEY_FILE = "token-signing.jwk"

_PUBLIC = frozenset({"kty", "crv", "x", "y"})
_SECRETS = frozenset({"d", "k", "p", "q", "dp", "dq", "qi", "oth", "priv"})
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
    material: tuple[tuple[str, Any], ...]
    """What it consists of; tells it from all others."""


class PublicKeys:
    """The keys in a JWKS file, by `kid`; read again when the file changes.

    When the file cannot be read any more, its keys are believed for `KEPT_SECONDS` from when that was noticed. When it
    is gone, or says that there are none, they are not.
    """

    def __init__(self, path: Path, own: Path | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        """With the folder of keys of this home as `own`, no key that was made there is believed."""
        self._path = path
        self._own = own
        self._clock = clock
        self._seen: tuple[int, ...] | None = None
        self._keys: dict[str, PublicKey] = {}
        self._fault: KeysFault | None = None
        self._faulty_since = 0.0
        self._looked_at = 0.0

    def fault(self) -> KeysFault | None:
        """What is wrong with the file, now."""
        self.current()
        return self._fault

    def current(self) -> dict[str, PublicKey]:
        """The keys as of now: the same object as before, if nothing has changed."""
        try:
            stat = os.stat(self._path)  # noqa: PTH116 - on every request: a microsecond less
            seen: tuple[int, ...] = (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino, stat.st_dev)
        except OSError:
            seen = ()
        if seen != self._seen or self._is_to_be_looked_at_again():
            self._look(seen)
        return self._keys

    def _is_to_be_looked_at_again(self) -> bool:
        """A file may be readable again though it is the same, and its keys are not believed for ever."""
        return self._fault is KeysFault.UNREADABLE and self._clock() - self._looked_at >= LOOK_AGAIN_SECONDS

    def _look(self, seen: tuple[int, ...]) -> None:
        before, self._seen, self._looked_at = self._fault, seen, self._clock()
        found: dict[str, PublicKey] = {}
        try:
            found = dict(_usable(read_jwks(self._path), _made_in(self._own) if self._own else frozenset()))
            self._fault = None if found else KeysFault.EMPTY
        except FileNotFoundError:
            self._fault = KeysFault.MISSING
        except (OSError, ValueError, RecursionError):
            # Half a file is no reason to lock everybody out at once; a file that is gone is.
            found, self._fault = self._kept(before), KeysFault.UNREADABLE
        if self._fault is not None and self._fault is not before:
            log.error("token_keys.at_fault", path=str(self._path), fault=self._fault.value)
        if found != self._keys:
            self._keys = found

    def _kept(self, before: KeysFault | None) -> dict[str, PublicKey]:
        """The keys from before, for as long as they are still believed."""
        if before is not KeysFault.UNREADABLE:
            self._faulty_since = self._clock()
        return self._keys if self._clock() - self._faulty_since < KEPT_SECONDS else {}


class BothKeys:
    """The keys of an identity provider, and those of this home for trying things out beside them."""

    def __init__(self, given: PublicKeys, own: PublicKeys) -> None:
        self._given = given
        self._own = own
        self._parts: tuple[dict[str, PublicKey], ...] = ()
        self._keys: dict[str, PublicKey] = {}

    def fault(self) -> KeysFault | None:
        """What is wrong with the identity provider's."""
        return self._given.fault()

    def current(self) -> dict[str, PublicKey]:
        """All of them; the same object as before, if nothing has changed."""
        given, own = self._given.current(), self._own.current()
        if not self._parts or given is not self._parts[0] or own is not self._parts[1]:
            self._parts, self._keys = (given, own), {**own, **given}
        return self._keys


def keys_of(settings: Settings, clock: Callable[[], float] = time.monotonic) -> PublicKeys | BothKeys:
    """The keys that settings have tokens verified with: in production those of the identity provider and no others.

    Raises `SettingInvalidError`.
    """
    check_issuer(settings)
    if settings.production:
        return PublicKeys(settings.jwks_path, settings.keys, clock)
    given = PublicKeys(settings.jwks_path, None, clock)
    if settings.jwks_path == settings.own_jwks_path:
        return given
    return BothKeys(given, PublicKeys(settings.own_jwks_path, None, clock))


def check_issuer(settings: Settings) -> None:
    """In production somebody else issues tokens: make sure that it was said whose keys count.

    Raises `SettingInvalidError`.
    """
    if settings.production and settings.jwks_path.resolve() == settings.own_jwks_path.resolve():
        raise SettingInvalidError(
            "REPRISE_JWKS", "must name the file with your identity provider's public keys, in production"
        )


def read_jwks(path: Path) -> list[dict[str, Any]]:
    """The keys in a JWKS file, as they are. Raises `OSError` and `ValueError`."""
    # Opened without waiting, because a pipe would have whoever opens it wait for a writer.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        if not S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("not a file")
        octets = file.read(OCTETS_LIMIT + 1)
    if len(octets) > OCTETS_LIMIT:
        raise ValueError("too long")
    found = msgspec.json.decode(octets, type=dict[str, Any])
    keys = msgspec.convert(found.get("keys"), list[dict[str, Any]])
    if len(keys) > KEYS_LIMIT:
        raise ValueError("too many keys")
    return keys


def _usable(jwks: Iterable[Mapping[str, Any]], strangers: frozenset[str]) -> Iterator[tuple[str, PublicKey]]:
    """The keys that tokens may be signed with; keys for anything else may stand in the same file."""
    found: dict[str, list[PublicKey]] = {}
    for jwk in jwks:
        kid, key = jwk.get("kid"), _public_key(jwk, strangers)
        if key is not None and isinstance(kid, str):
            found.setdefault(kid, []).append(key)
    for kid, keys in found.items():
        if len({key.material for key in keys}) == 1:
            yield kid, keys[0]
        else:
            # Which of them is meant, nobody can tell: the next reader may take the other one.
            _pass_over(kid, "ambiguous")


def _public_key(jwk: Mapping[str, Any], strangers: frozenset[str]) -> PublicKey | None:
    key_type, algorithms = _FITTING.get((str(jwk.get("kty")), str(jwk.get("crv"))), (None, frozenset[str]()))
    algorithm, uses = jwk.get("alg"), str(jwk.get("key_ops", "verify"))
    if algorithm is not None:
        algorithms &= {str(algorithm)}
    if _SECRETS & jwk.keys():
        # What everybody can read who may read public keys is no secret: whoever has it can sign.
        _pass_over(jwk.get("kid"), "secret")
        return None
    if key_type is None or not algorithms or jwk.get("use", "sig") != "sig" or "verify" not in uses:
        return None
    if str(jwk.get("x")) in strangers:
        _pass_over(jwk.get("kid"), "made_here")
        return None
    public: dict[str, Any] = {name: str(value) for name, value in jwk.items() if name in _PUBLIC}
    try:
        return PublicKey(key_type.import_key(public), algorithms, tuple(sorted(public.items())))
    except (JoseError, ValueError):
        _pass_over(jwk.get("kid"), "unusable")
        return None


def _pass_over(kid: object, why: str) -> None:
    log.warning("token_keys.passed_over", kid=str(kid)[:100], reason=why)


def _made_in(folder: Path) -> frozenset[str]:
    """What tells the keys that were made in a home: in production none is believed whose private half lies about."""
    found: list[Mapping[str, Any]] = []
    with suppress(OSError, ValueError, RecursionError):
        found += read_jwks(folder / OWN_JWKS_FILE)
    with suppress(OSError, ValueError, RecursionError):
        found.append(_read_jwk(folder / SIGNING_KEY_FILE))
    return frozenset(str(jwk.get("x")) for jwk in found)


def _read_jwk(path: Path) -> dict[str, Any]:
    return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])


class SigningKeyFile:
    """Our own Ed25519 signing key, made when it is first needed; its public half stands in a JWKS file of its own."""

    def __init__(self, path: Path, jwks_path: Path) -> None:
        self._path = path
        self._jwks_path = jwks_path

    def key(self) -> OKPKey:
        """The signing key, published. Safe to call by many processes at once."""
        with self._locked():
            try:
                key = OKPKey.import_key(_read_jwk(self._path))
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
