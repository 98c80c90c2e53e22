"""The only module that writes files: complete or not at all, durable, and private from the first octet.

Everything that Reprise writes beside its database goes through here (a test of the source insists): what staff ask for,
backups, keys, mails, receipts, logs. Whoever can write to the same folder can neither have it written elsewhere, by a
link at a name that they foresee, nor read it, through a file that they made before.
"""

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

PRIVATE = 0o600
READABLE_BY_ALL = 0o644
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_APPENDED = os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_NOT_A_FILE = "There is something else than a file; name a file"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class NotAFileError(OSError):
    """There is a symbolic link, a folder, a device, a pipe or a socket where a file is to be written."""


class _Place(NamedTuple):
    """A name in a folder that is open, so that it stays the same folder."""

    folder: int
    name: str
    path: Path


@contextmanager
def whole_file(path: Path, *, replacing: bool = True, public: bool = False, durable: bool = True) -> Iterator[BinaryIO]:
    """A file to write to, which is at `path`, complete and durable, when the block has ended, and not before.

    Until then it is beside it, under a name that nobody foresees; an error leaves nothing of it, a crash a file that
    only its owner can read. A file at `path` is replaced; without `replacing`, nothing may be there. `public` files can
    be read by everybody once they are whole. What is not to be `durable` may be gone after a power cut, but never half
    there for a process.

    Raises `OSError`: `FileExistsError`, and `NotAFileError` where there is anything else than a file, which stays.
    """
    folder = os.open(path.parent, _FOLDER)
    place = _Place(folder, path.name, path)
    try:
        if replacing:
            _must_be_replaceable(place)
        fresh = f".{secrets.token_hex(16)}.unfinished"
        with _removed_on_failure(folder, fresh), _new_file(folder, fresh) as file:
            yield file
            _finish(file, public=public, durable=durable)
            _put_in_place(place, fresh, replacing=replacing)
        if durable:
            os.fsync(folder)
    finally:
        os.close(folder)


def write_whole(
    path: Path, content: bytes, *, replacing: bool = True, public: bool = False, durable: bool = True
) -> None:
    """Write a file of a few octets, as `whole_file` does."""
    with whole_file(path, replacing=replacing, public=public, durable=durable) as file:
        file.write(content)


@contextmanager
def appended_file(path: Path) -> Iterator[BinaryIO]:
    """A file to append to and to read, made if there is none; what is in it stays, whatever happens.

    It is as durable as the block makes it, with its name in its folder. Raises `OSError` for a symbolic link.
    """
    made = not path.exists()
    with os.fdopen(os.open(path, _APPENDED | os.O_RDWR, PRIVATE), "a+b") as file:
        if made:
            _sync_folder(path.parent)
        yield file


def open_to_append(path: Path) -> BinaryIO:
    """A file that is only appended to, such as the log of a process; the caller closes it."""
    return os.fdopen(os.open(path, _APPENDED | os.O_WRONLY, PRIVATE), "ab")


def _must_be_replaceable(place: _Place) -> None:
    """A rename would put a file in the place of `/dev/null`, too, and of the link `/dev/stdout`.

    It replaces a link that comes to be there meanwhile, and writes nothing through it.
    """
    with suppress(FileNotFoundError):
        mode = os.stat(place.name, dir_fd=place.folder, follow_symlinks=False).st_mode
        if not stat.S_ISREG(mode):
            raise NotAFileError(errno.ELOOP if stat.S_ISLNK(mode) else errno.EEXIST, _NOT_A_FILE, str(place.path))


@contextmanager
def _new_file(folder: int, name: str) -> Iterator[BinaryIO]:
    with os.fdopen(os.open(name, _NEW, PRIVATE, dir_fd=folder), "wb") as file:
        yield file


@contextmanager
def _removed_on_failure(folder: int, name: str) -> Iterator[None]:
    try:
        yield
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)
        raise


def _finish(file: BinaryIO, *, public: bool, durable: bool) -> None:
    file.flush()
    if public:
        os.fchmod(file.fileno(), READABLE_BY_ALL)
    if durable:
        os.fsync(file.fileno())


def _put_in_place(place: _Place, fresh: str, *, replacing: bool) -> None:
    try:
        if replacing:
            os.rename(fresh, place.name, src_dir_fd=place.folder, dst_dir_fd=place.folder)
        else:
            # Linking fails where something is already: no look beforehand is as sure.
            os.link(fresh, place.name, src_dir_fd=place.folder, dst_dir_fd=place.folder, follow_symlinks=False)
            os.unlink(fresh, dir_fd=place.folder)
    except OSError as error:
        # The name of the unfinished file says nothing to anybody.
        raise OSError(error.errno, error.strerror, str(place.path)) from None


def _sync_folder(path: Path) -> None:
    folder = os.open(path, _FOLDER)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
