"""The embedded server: shared by processes, gone after the last one, and never in anybody else's way."""

import os
import pwd
import select
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self, final

import psycopg
import pytest

from infrastructure.embedded_postgres import EmbeddedPostgres, EmbeddedPostgresError, embedded_postgres
from infrastructure.embedded_postgres.programs import installed_programs
from infrastructure.embedded_postgres.settings import memory, shared_buffers

CHECKOUT = Path(__file__).parents[2]
DAEMON = 1
NOBODY = pwd.getpwnam("nobody").pw_uid
PATIENCE = 20  # seconds

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another user")


@final
class AnotherProcess:
    """A process that uses the server of a directory until it is told to leave."""

    PROGRAM = """
import sys
from pathlib import Path
from infrastructure.embedded_postgres import embedded_postgres

with embedded_postgres(Path(sys.argv[1])) as server:
    print(server.pid, flush=True)
    sys.stdin.readline()
"""

    def __init__(self, directory: Path, *, before_others: Path = CHECKOUT, **environment: str) -> None:
        modules = os.pathsep.join([str(before_others), str(CHECKOUT), *sys.path])
        self._process = subprocess.Popen(
            [sys.executable, "-c", self.PROGRAM, str(directory)],
            env={**os.environ, "PYTHONPATH": modules, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def server(self) -> int:
        """The server's process id, once this process uses it."""
        assert self._process.stdout
        return int(self._process.stdout.readline())

    def leave(self) -> int:
        self._process.communicate("\n", timeout=PATIENCE)
        return self._process.returncode

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate(timeout=PATIENCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self.leave()


@pytest.fixture(scope="module")
def used_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a server ran before."""
    directory = tmp_path_factory.mktemp("used") / "postgres"
    start_and_stop(directory)
    return directory


@pytest.fixture
def new_directory(tmp_path: Path) -> Path:
    """Where no server ran yet. Only the invoking user may enter the directories above it."""
    return tmp_path / "postgres"


@pytest.fixture
def directory(used_directory: Path, new_directory: Path) -> Path:
    """Like new, for tests that need not wait until the data has been made."""
    copy(used_directory, new_directory)
    return new_directory


@pytest.fixture
def open_directory(used_directory: Path) -> Iterator[Path]:
    """The same, where everybody may pass through the directories above it."""
    with tempfile.TemporaryDirectory(prefix="reprise-test-") as parent:
        Path(parent).chmod(0o711)
        copy(used_directory, Path(parent, "postgres"))
        yield Path(parent, "postgres")


def test_the_next_start_finds_the_data_of_the_first(new_directory: Path) -> None:
    with embedded_postgres(new_directory) as server:
        execute(server, "CREATE TABLE song AS SELECT 'Reprise' AS title")

    with embedded_postgres(new_directory) as server:
        assert value(server, "SELECT title FROM song") == "Reprise"


def test_the_database_is_durable_checked_and_in_utf_8(directory: Path) -> None:
    with embedded_postgres(directory) as server:
        settings = {
            name: value(server, f"SHOW {name}")
            for name in ("fsync", "synchronous_commit", "data_checksums", "server_encoding", "listen_addresses")
        }

    assert settings == {
        "fsync": "on",
        "synchronous_commit": "on",
        "data_checksums": "on",
        "server_encoding": "UTF8",
        "listen_addresses": "",
    }


@pytest.mark.parametrize(("gigabytes", "megabytes"), [(0.25, 128), (2, 512), (8, 2_048), (64, 4_096)])
def test_the_server_may_have_a_quarter_of_the_memory_up_to_4_gigabytes(gigabytes: float, megabytes: int) -> None:
    assert shared_buffers(int(gigabytes * 1024**3)) == megabytes


def test_the_server_knows_how_much_memory_there_is(directory: Path) -> None:
    with embedded_postgres(directory) as server:
        blocks = value(server, "SELECT setting::integer FROM pg_settings WHERE name = 'shared_buffers'")

    assert blocks == shared_buffers(memory()) * 1024 // 8


def test_options_prevail_over_the_usual_settings(directory: Path) -> None:
    with embedded_postgres(directory, options={"fsync": "off", "work_mem": "5MB"}) as server:
        assert (value(server, "SHOW fsync"), value(server, "SHOW work_mem")) == ("off", "5MB")


def test_after_the_only_user_no_process_is_left(directory: Path) -> None:
    with embedded_postgres(directory) as server, psycopg.connect(server.conninfo()) as connection:
        backend = connection.info.backend_pid

    assert not exists(server.pid)
    assert not exists(backend)


def test_processes_that_start_at_once_share_one_server_and_the_last_to_leave_stops_it(new_directory: Path) -> None:
    with AnotherProcess(new_directory) as one, AnotherProcess(new_directory) as another:
        server = one.server()
        assert another.server() == server

        assert one.leave() == 0
        with embedded_postgres(new_directory) as joined:
            assert joined.pid == server
        assert exists(server)

        assert another.leave() == 0
        assert has_ended(server)


def test_whoever_started_the_server_may_leave_before_the_others(directory: Path) -> None:
    with embedded_postgres(directory) as server:
        other = AnotherProcess(directory)
        assert other.server() == server.pid

    assert exists(server.pid)
    assert other.leave() == 0
    assert has_ended(server.pid)


def test_the_server_does_not_get_the_interrupt_of_the_terminal(directory: Path) -> None:
    with embedded_postgres(directory) as server:
        assert os.getsid(server.pid) != os.getsid(0)


def test_a_killed_user_leaves_a_server_that_the_next_one_joins_and_stops(directory: Path) -> None:
    with AnotherProcess(directory) as killed:
        left = killed.server()
        killed.kill()

    with embedded_postgres(directory) as server:
        assert server.pid == left

    assert has_ended(left)


def test_a_killed_user_does_not_keep_the_server_up_after_the_last(directory: Path) -> None:
    with embedded_postgres(directory) as server, AnotherProcess(directory) as killed:
        assert killed.server() == server.pid
        killed.kill()

    assert not exists(server.pid)


def test_after_a_killed_server_the_next_user_finds_all_that_was_committed(directory: Path) -> None:
    with embedded_postgres(directory) as killed, psycopg.connect(killed.conninfo(), autocommit=True) as connection:
        connection.execute("CREATE TABLE song AS SELECT 'Reprise' AS title")
        os.kill(killed.pid, signal.SIGKILL)

    with embedded_postgres(directory) as server:
        assert server.pid != killed.pid
        assert value(server, "SELECT title FROM song") == "Reprise"


def test_a_process_that_got_the_number_of_a_crashed_server_is_neither_joined_nor_stopped(directory: Path) -> None:
    with bystander(directory.joinpath("data").stat().st_uid) as process:
        pretend_to_be_the_server_of(directory, process.pid)

        with embedded_postgres(directory) as server:
            assert server.pid != process.pid

        assert process.poll() is None


def test_a_zombie_that_was_the_server_does_not_block_the_next_one(directory: Path) -> None:
    with bystander(directory.joinpath("data").stat().st_uid) as zombie:
        zombie.kill()
        os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
        pretend_to_be_the_server_of(directory, zombie.pid)

        start_and_stop(directory)


def test_an_interrupted_first_start_is_done_again(new_directory: Path) -> None:
    (new_directory / "data.unfinished" / "base").mkdir(parents=True)

    with embedded_postgres(new_directory) as server:
        assert value(server, "SELECT 1") == 1


def test_a_start_that_fails_says_why_and_leaves_nothing_behind(directory: Path) -> None:
    with pytest.raises(EmbeddedPostgresError, match='invalid value for parameter "shared_buffers"'):
        start_and_stop(directory, shared_buffers="much")

    start_and_stop(directory)


def test_a_copied_link_to_the_socket_of_the_original_is_not_followed(used_directory: Path, directory: Path) -> None:
    with embedded_postgres(used_directory) as original:
        (directory / "run").symlink_to(original.socket_directory)
        with embedded_postgres(directory) as server:
            assert server.pid != original.pid
        assert value(original, "SELECT 1") == 1


@pytest.mark.parametrize("name", ["x" * 120, "one, two", 'it\'s "quoted"'])
def test_any_path_will_do_even_one_that_is_no_place_for_a_socket(
    used_directory: Path, tmp_path: Path, name: str
) -> None:
    directory = tmp_path / name
    copy(used_directory, directory)

    with embedded_postgres(directory) as server:
        assert value(server, "SELECT 1") == 1
        with AnotherProcess(directory, TMPDIR=str(tmp_path)) as other:
            assert other.server() == server.pid

    assert not server.socket_directory.exists()
    assert not (directory / "run").is_symlink()


def test_a_socket_directory_that_somebody_else_could_have_made_is_refused(used_directory: Path, tmp_path: Path) -> None:
    directory = tmp_path / ("x" * 120)
    copy(used_directory, directory)
    with embedded_postgres(directory) as server:
        squatted = server.socket_directory
    squatted.mkdir()
    squatted.chmod(0o777)

    with pytest.raises(EmbeddedPostgresError, match="not a private directory"):
        start_and_stop(directory)

    squatted.rmdir()


def test_the_log_holds_nothing_of_what_statements_say(directory: Path) -> None:
    secret = "ann@example.org"

    with embedded_postgres(directory) as server, psycopg.connect(server.conninfo(), autocommit=True) as connection:
        connection.execute("CREATE TABLE claim (address text PRIMARY KEY)")
        connection.execute("INSERT INTO claim VALUES (%s)", [secret])
        for refused in ("INSERT INTO claim VALUES (%s)", "SELECT %s::uuid"):
            with pytest.raises(psycopg.Error, match=secret):
                connection.execute(refused.encode(), [secret])

    log = (directory / "postgres.log").read_text(encoding="utf-8")
    assert "database system is ready" in log
    assert secret not in log
    assert "INSERT" not in log


@only_root
def test_another_user_of_the_machine_is_refused(open_directory: Path) -> None:
    with embedded_postgres(open_directory) as server:
        with acting_as(DAEMON), pytest.raises(psycopg.OperationalError, match="Permission denied"):
            connect(server)

        server.socket_directory.chmod(0o711)
        with acting_as(DAEMON), pytest.raises(psycopg.OperationalError, match="Peer authentication failed"):
            connect(server)


@only_root
def test_whoever_else_is_nobody_on_this_machine_does_not_get_in(open_directory: Path) -> None:
    with embedded_postgres(open_directory) as server:
        assert open_directory.joinpath("data").stat().st_uid == NOBODY

        with acting_as(NOBODY), pytest.raises(psycopg.OperationalError, match="Peer authentication failed"):
            connect(server)


@only_root
def test_whoever_owns_the_directory_gets_in_also_if_root_has_started_the_server(open_directory: Path) -> None:
    for path in (open_directory, open_directory / "data"):
        subprocess.run(["chown", "-R", str(DAEMON), path], check=True)
    with embedded_postgres(open_directory) as server, acting_as(DAEMON):
        connect(server)


@only_root
def test_where_everybody_may_pass_the_server_has_no_capability(open_directory: Path) -> None:
    with embedded_postgres(open_directory) as server:
        assert identity(server) == (open_directory.joinpath("data").stat().st_uid, 0)


@only_root
def test_below_a_closed_directory_the_server_may_search_and_nothing_is_opened_for_it(directory: Path) -> None:
    above = {path: stat.filemode(path.stat().st_mode) for path in directory.parents}
    assert "drwx------" in above.values()

    with embedded_postgres(directory) as server:
        uid, capabilities = identity(server)

    assert uid == directory.joinpath("data").stat().st_uid != 0
    assert capabilities in {1 << 1, 1 << 2}  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    assert above == {path: stat.filemode(path.stat().st_mode) for path in directory.parents}


@only_root
def test_programs_that_only_root_may_reach_and_run_are_run_by_the_servers_user(
    new_directory: Path, tmp_path: Path
) -> None:
    package = installed_programs().installation.parent
    for part in (package, package.with_name("embedded_postgres.libs")):
        copy(part, tmp_path / part.name)
    programs = tmp_path / "embedded_postgres" / "pginstall" / "bin"
    for program in programs.iterdir():
        program.chmod(0o700)

    with AnotherProcess(new_directory, before_others=tmp_path) as other:
        assert command_of(other.server()) == str(programs / "postgres")


def copy(source: Path, target: Path) -> None:
    subprocess.run(["cp", "-a", source, target], check=True)


def command_of(process_id: int) -> str:
    return Path(f"/proc/{process_id}/cmdline").read_text(encoding="utf-8").split("\0", 1)[0]


def start_and_stop(directory: Path, **options: str) -> None:
    with embedded_postgres(directory, options=options):
        pass


def connect(server: EmbeddedPostgres) -> None:
    psycopg.connect(server.conninfo()).close()


def execute(server: EmbeddedPostgres, statement: str) -> None:
    with psycopg.connect(server.conninfo()) as connection:
        connection.execute(statement.encode())


def value(server: EmbeddedPostgres, query: str) -> object:
    with psycopg.connect(server.conninfo()) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row
    return row[0]


def exists(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True


def has_ended(process_id: int) -> bool:
    """Whether a process has ended or does so soon; one that nobody has waited for yet has ended, too."""
    try:
        process = os.pidfd_open(process_id)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([process], [], [], PATIENCE)[0])
    finally:
        os.close(process)


def identity(server: EmbeddedPostgres) -> tuple[int, int]:
    """The user that the server runs as, and its effective capabilities."""
    lines = Path(f"/proc/{server.pid}/status").read_text(encoding="utf-8").splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    return int(fields["Uid"].split()[1]), int(fields["CapEff"], 16)


def pretend_to_be_the_server_of(directory: Path, process_id: int) -> None:
    """Leave what a crashed server would have left if it had had this number."""
    (directory / "run").mkdir(mode=0o700)
    for file in (directory / "data" / "postmaster.pid", directory / "run" / ".s.PGSQL.5432.lock"):
        file.write_text(f"{process_id}\n{directory / 'data'}\n", encoding="utf-8")


@contextmanager
def acting_as(uid: int) -> Generator[None]:
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)


@contextmanager
def bystander(uid: int) -> Generator[subprocess.Popen[bytes]]:
    """A process of a user that has nothing to do with the server."""
    with subprocess.Popen(["cat"], user=uid, stdin=subprocess.PIPE) as process:
        yield process
        assert process.stdin
        process.stdin.close()
