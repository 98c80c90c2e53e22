"""How much is measured: enough to be sure, or little enough to wait for."""

import msgspec


class Scale(msgspec.Struct, frozen=True, kw_only=True):
    """The sizes of everything in one run."""

    name: str
    rounds: int
    """How often each side of a comparison is measured."""
    warm_up_seconds: float
    """Of load that is not counted, before each measurement."""
    seconds: float
    """Of load that is counted, in each round of each side."""
    requests: int = 0
    """The most requests in each round of each side; 0 for no limit but the time."""
    residents: int
    """Users in the log before commands are sent to it."""
    sizes: tuple[int, ...]
    """Users in the logs that growth is measured with, smallest first."""
    in_process_seconds: float
    lifecycle_connections: tuple[int, ...] = (64, 600)
    searches: int
    """How often each search is asked."""
    replayed_events: int
    """At most; of the largest log."""
    runner_events: int
    """Events that the library's runner is given, one transaction for each."""
    changed_users: int
    """Users who are changed in each of the growing logs, in each round, each once."""
    append_rounds: int
    """Of these changes, in turn."""
    stored_commands: int
    """Commands that are recorded to see what they take on disk."""
    soak_seconds: float
    """For how long one API process is kept under load."""

    @property
    def is_full(self) -> bool:
        """Whether the goals' own sizes are reached."""
        return self is FULL


QUICK = Scale(
    name="quick",
    rounds=3,
    warm_up_seconds=0.4,
    seconds=1.0,
    residents=10_000,
    sizes=(10_000, 20_000, 40_000),
    in_process_seconds=1.0,
    searches=5,
    replayed_events=200_000,
    runner_events=600,
    changed_users=2_000,
    append_rounds=3,
    stored_commands=4_000,
    soak_seconds=5.0,
)

FULL = Scale(
    name="full",
    rounds=3,
    warm_up_seconds=2.0,
    seconds=6.0,
    residents=10_000,
    sizes=(10_000, 100_000, 1_000_000),
    in_process_seconds=5.0,
    searches=20,
    replayed_events=3_000_000,
    runner_events=4_000,
    changed_users=10_000,
    append_rounds=6,
    stored_commands=20_000,
    soak_seconds=600.0,
)
