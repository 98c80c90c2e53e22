"""Files are whole, durable and private, whoever else can write to the folder; and nothing else writes any."""

import ast
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infrastructure.files.private_files import NotAFileError, appended_file, open_to_append, whole_file, write_whole
from tests.support.waiting import PATIENCE_SECONDS

SOURCES = ("api", "application", "domain", "infrastructure")
ROOM = "infrastructure/files/private_files.py"
ELSEWHERE = {
    ("api/cli/__init__.py", "os.open"): "opens /dev/null in place of an output that nobody reads any more",
    (
        "api/processes/supervision.py",
        "path.replace",
    ): "puts a log that has grown too long aside, under a name of its own",
    ("api/privacy/controllers/data_exports.py", "SpooledTemporaryFile"): "has no name, so nobody can get at it",
    ("api/privacy/person_package/packing.py", "self._package.open"): "a member of a ZIP file, which the room writes",
    ("infrastructure/embedded_postgres/data_directory.py", "unfinished.rename"): "a folder, which initdb has filled",
    ("infrastructure/embedded_postgres/data_directory.py", "os.open"): "opens a folder to make it durable",
    ("infrastructure/files/file_lock.py", "os.open"): "a file to be locked; it holds nothing",
    ("infrastructure/embedded_postgres/programs.py", "program.chmod"): "PostgreSQL's own programs",
    ("infrastructure/embedded_postgres/server.py", "directory.chmod"): "a folder that the server's user passes through",
    ("infrastructure/embedded_postgres/server_socket.py", "run.symlink_to"): "a link to the folder of a socket",
    ("infrastructure/tokens/keys.py", "os.open"): "opens to read, without waiting for whoever writes to a pipe",
    ("infrastructure/tokens/keys.py", "os.fdopen"): "the same",
}
"""What makes, moves or opens files elsewhere, and why it does not write one that anybody reads."""

_MAKING = {
    *("write_text", "write_bytes", "touch", "chmod", "fchmod", "fdopen", "rename", "link", "symlink", "mkfifo"),
    *("symlink_to", "hardlink_to", "copyfile", "copyfileobj", "copytree", "copy2", "mkstemp", "mkdtemp"),
    *("NamedTemporaryFile", "TemporaryFile", "SpooledTemporaryFile", "TemporaryDirectory"),
}
_MAKING_IN_FULL = {"os.open", "os.replace", "shutil.copy", "shutil.move", "copy", "move"}


@pytest.fixture(autouse=True)
def _no_umask() -> Iterator[None]:
    """Nothing but the room itself keeps others away."""
    before = os.umask(0)
    yield
    os.umask(before)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def unfinished_in(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name.endswith(".unfinished")]


def test_a_file_is_there_when_it_is_whole_and_is_private_from_the_first_octet_on(tmp_path: Path) -> None:
    path = tmp_path / "export"

    with whole_file(path) as file:
        (unfinished,) = unfinished_in(tmp_path)
        before = (path.exists(), mode_of(unfinished), unfinished.stat().st_size)
        file.write(b"secret")

    assert before == (False, 0o600, 0)
    assert (path.read_bytes(), mode_of(path)) == (b"secret", 0o600)
    assert list(tmp_path.iterdir()) == [path]


def test_names_of_unfinished_files_are_never_the_same(tmp_path: Path) -> None:
    names = set[str]()
    for _ in range(20):
        with whole_file(tmp_path / "export"):
            names |= {path.name for path in unfinished_in(tmp_path)}

    assert len(names) == 20
    assert all(len(name) > 32 for name in names)


def test_what_is_at_a_link_is_never_touched(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"theirs")
    path = tmp_path / "export"
    path.symlink_to(victim)

    with pytest.raises(NotAFileError, match="export"):
        write_whole(path, b"ours")

    assert (victim.read_bytes(), path.is_symlink(), len(list(tmp_path.iterdir()))) == (b"theirs", True, 2)


def test_a_link_that_somebody_makes_meanwhile_is_replaced_itself(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"theirs")
    path = tmp_path / "export"

    with whole_file(path) as file:
        file.write(b"ours")
        path.symlink_to(victim)

    assert (victim.read_bytes(), path.is_symlink(), path.read_bytes()) == (b"theirs", False, b"ours")
    assert mode_of(path) == 0o600


def test_a_file_that_somebody_made_beforehand_and_keeps_open_learns_nothing(tmp_path: Path) -> None:
    path = tmp_path / "export"
    path.touch(mode=0o666)

    with path.open("rb") as kept_open:
        write_whole(path, b"secret")
        seen = kept_open.read()

    assert (seen, mode_of(path)) == (b"", 0o600)


def test_an_error_leaves_nothing_and_what_was_there_before(tmp_path: Path) -> None:
    path = tmp_path / "export"
    path.write_bytes(b"before")

    def half_of_it() -> Iterator[bytes]:
        yield b"half of it"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), whole_file(path) as file:
        file.writelines(half_of_it())

    assert (list(tmp_path.iterdir()), path.read_bytes()) == ([path], b"before")


def test_a_crash_leaves_no_half_file_that_others_can_read(tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; from infrastructure.files.private_files import whole_file\n"
        "os.umask(0)\n"
        "with whole_file(Path(sys.argv[1])) as file:\n"
        "    file.write(b'half of it'); file.flush(); os._exit(9)\n"
    )

    ended = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "export")], check=False, timeout=PATIENCE_SECONDS
    )

    assert ended.returncode == 9
    assert [(path.name == "export", mode_of(path)) for path in tmp_path.iterdir()] == [(False, 0o600)]


@pytest.mark.parametrize("there", ["file", "dangling link"])
def test_what_must_be_new_replaces_nothing(tmp_path: Path, there: str) -> None:
    path = tmp_path / "key"
    if there == "file":
        path.write_bytes(b"first")
    else:
        path.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(FileExistsError, match="key"):
        write_whole(path, b"second", replacing=False)

    assert list(tmp_path.iterdir()) == [path]
    assert there != "file" or path.read_bytes() == b"first"


def test_a_pipe_or_a_folder_is_never_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()

    with pytest.raises(NotAFileError, match="pipe"):
        write_whole(tmp_path / "pipe", b"secret")
    with pytest.raises(NotAFileError, match="folder"):
        write_whole(tmp_path / "folder", b"secret")

    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "pipe"]


def test_a_public_file_is_public_when_it_is_whole(tmp_path: Path) -> None:
    os.umask(0o077)

    with whole_file(tmp_path / "jwks.json", public=True):
        (unfinished,) = unfinished_in(tmp_path)
        before = mode_of(unfinished)

    assert (before, mode_of(tmp_path / "jwks.json")) == (0o600, 0o644)


def test_appending_follows_no_link_and_keeps_others_away(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "victim")

    for _ in range(2):
        with appended_file(tmp_path / "receipts") as file:
            file.write(b"one more\n")
    with open_to_append(tmp_path / "process.log") as file:
        file.write(b"started\n")

    assert (tmp_path / "receipts").read_bytes() == b"one more\n" * 2
    assert (mode_of(tmp_path / "receipts"), mode_of(tmp_path / "process.log")) == (0o600, 0o600)
    with pytest.raises(OSError, match="link"), appended_file(tmp_path / "link"):
        pass
    with pytest.raises(OSError, match="link"):
        open_to_append(tmp_path / "link")
    assert not (tmp_path / "victim").exists()


def writers_in(source: str) -> set[str]:
    """Calls that make, move or open files for writing, as they stand there."""
    return {
        ast.unparse(call.func) for call in ast.walk(ast.parse(source)) if isinstance(call, ast.Call) and _writes(call)
    }


def _writes(call: ast.Call) -> bool:
    function = ast.unparse(call.func)
    name = function.rpartition(".")[2]
    if name == "open" and any(map(_is_mode_to_write, [*call.args, *(keyword.value for keyword in call.keywords)])):
        return True
    is_path_replaced = name == "replace" and len(call.args) == 1 and not call.keywords  # text takes two, a struct names
    return is_path_replaced or name in _MAKING or function in _MAKING_IN_FULL


def _is_mode_to_write(argument: ast.expr) -> bool:
    value = argument.value if isinstance(argument, ast.Constant) else None
    return isinstance(value, str) and bool(re.fullmatch("[rwaxbt+]*[wax+][rwaxbt+]*", value))


def test_only_the_room_for_files_writes_files() -> None:
    paths = [path for folder in SOURCES for path in sorted(Path(folder).rglob("*.py")) if str(path) != ROOM]
    found = {(str(path), call) for path in paths for call in writers_in(path.read_text(encoding="utf-8"))}

    assert found - set(ELSEWHERE) == set()
    assert set(ELSEWHERE) - found == set()


@pytest.mark.parametrize(
    "source",
    [
        'open(path, "w")',
        'path.open("wb")',
        'path.open(mode="r+")',
        "path.write_text(text)",
        "path.write_bytes(octets)",
        "os.open(path, flags)",
        "fresh.replace(path)",
        "os.replace(fresh, path)",
        "fresh.rename(path)",
        "path.touch(mode=0o600)",
        "shutil.copyfile(old, new)",
        "NamedTemporaryFile()",
        'gzip.open(path, "wb")',
        'ZipFile.open(name, "w")',
    ],
)
def test_a_new_writer_is_found(source: str) -> None:
    assert writers_in(source)


@pytest.mark.parametrize(
    "source",
    ['path.open("rb")', "open(path)", "path.open()", 'text.replace("a", "b")', "replace(row, name=1)", "key.replace()"],
)
def test_a_reader_is_not_taken_for_a_writer(source: str) -> None:
    assert not writers_in(source)
