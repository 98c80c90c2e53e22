"""The same users and claims written with nothing but the `eventsourcing` library and its own PostgreSQL recorder."""

import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from uuid import UUID

import psycopg
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from psycopg.conninfo import conninfo_to_dict

from benchmarks.in_process import EVENTS_OF_REGISTRATION, PATTERN, CommandsRun, strangers
from benchmarks.latencies import latencies

THREADS = 8


class Person(Aggregate):
    """A user account."""

    class Registered(Aggregate.Created):
        """A person got an account."""

        email: str
        display_name: str
        country: str
        locale: str

    class DisplayNameChanged(Aggregate.Event):
        """The person goes by another name."""

        display_name: str

    @event(Registered)
    def __init__(self, email: str, display_name: str, country: str, locale: str) -> None:
        self.email = email
        self.display_name = display_name
        self.country = country
        self.locale = locale

    @event(DisplayNameChanged)
    def change_display_name(self, display_name: str) -> None:
        """Go by another name."""
        self.display_name = display_name


class AddressClaim(Aggregate):
    """The right to an address; its id is derived from the address, so that nobody else can have it, too."""

    class Claimed(Aggregate.Created):
        """A user became the holder."""

        email: str
        user_id: UUID

    @event(Claimed)
    def __init__(self, email: str, user_id: UUID) -> None:
        self.email = email
        self.user_id = user_id

    @staticmethod
    def create_id(email: str) -> UUID:
        """The id of an address's claim."""
        return uuid.uuid5(uuid.NAMESPACE_URL, email)


class People(Application[UUID]):
    """The use cases."""

    def register(self, email: str, display_name: str, country: str, locale: str) -> UUID:
        """Give a person an account."""
        person = Person(email, display_name, country, locale)
        self.save(person, AddressClaim(email, person.id))
        return person.id

    def change_display_name(self, person_id: UUID, display_name: str) -> None:
        """Change what a person is called."""
        person: Person = self.repository.get(person_id)
        person.change_display_name(display_name)
        self.save(person)


def environment(conninfo: str) -> Mapping[str, str]:
    """How the library is told of a database."""
    given = conninfo_to_dict(conninfo)
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": str(given["dbname"]),
        "POSTGRES_HOST": str(given["host"]),
        "POSTGRES_PORT": str(given["port"]),
        "POSTGRES_USER": str(given["user"]),
        "POSTGRES_PASSWORD": "",
        "POSTGRES_POOL_SIZE": str(THREADS),
    }


def run_for(conninfo: str, seconds: float) -> CommandsRun:
    """Carry out commands for a while in several threads: the same mix as ours."""
    durations: list[list[float]] = [[] for _ in range(THREADS)]
    events = [0] * THREADS
    failures: list[BaseException] = []
    with People(dict(environment(conninfo))) as people:
        begin = time.perf_counter()

        def call(number: int) -> None:
            try:
                events[number] = _call(people, durations[number], begin + seconds)
            except BaseException as failure:  # noqa: BLE001 - raised where the threads are waited for
                failures.append(failure)

        threads = [threading.Thread(target=call, args=(number,)) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        taken = time.perf_counter() - begin
    if failures:
        raise failures[0]
    everything = [duration for one in durations for duration in one]
    return CommandsRun(seconds=taken, commands=len(everything), events=sum(events), milliseconds=latencies(everything))


def count_events(conninfo: str) -> int:
    """Events that the library has recorded."""
    with psycopg.connect(conninfo) as connection:
        row = connection.execute("SELECT count(*) FROM people_events").fetchone()
    return row[0] if row else 0


def _call(people: People, durations: list[float], deadline: float) -> int:
    known: list[UUID] = []
    words = strangers()
    events = 0
    while True:
        for is_registration in PATTERN:
            begin = time.perf_counter()
            if begin > deadline:
                return events
            word = next(words)
            events += (
                _register(people, known, word) if is_registration else _change(people, known, len(durations), word)
            )
            durations.append(time.perf_counter() - begin)


def _register(people: People, known: list[UUID], someone: str) -> int:
    known.append(people.register(f"{someone}@example.com", f"Ingrid {someone}", "SE", "sv-SE"))
    return EVENTS_OF_REGISTRATION


def _change(people: People, known: Sequence[UUID], number: int, name: str) -> int:
    people.change_display_name(known[number % len(known)], name)
    return 1
