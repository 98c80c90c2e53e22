"""Importing a file: each person exactly once, of several lines the first wins, and every line is accounted for."""

import random
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from io import BytesIO, RawIOBase
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
import pytest

from application.commands import CommandKeys, Commands
from application.imports.import_people import LINES_UNDER_WAY, LineResult, Outcome, import_people
from application.imports.tally import Tally
from application.privacy.erase_user import EraseUser, erase_user
from application.users.emails.confirm_email import ConfirmEmail, confirm_email
from application.users.emails.request_email_change import RequestEmailChange, request_email_change
from application.users.queries import Users
from application.users.register_user import register_user
from domain.users import User
from domain.users.values import UserStatus
from infrastructure.composition import open_service, open_trial
from infrastructure.imports.people_file import read_lines
from infrastructure.replay import Log
from infrastructure.secrets.keyring import load_keyring
from infrastructure.settings import Settings
from infrastructure.users.email_tokens import MailedTokens
from tests.support.cli import head_of
from tests.support.cli_people import consent, crowd, file_of, line, person, refused_lines, shuffled_in
from tests.support.running import context, projector, registration, settings_in


class Importer(NamedTuple):
    """What a file can be imported with."""

    settings: Settings
    conninfo: str

    @asynccontextmanager
    async def parts(self, *, dry_run: bool) -> AsyncIterator[tuple[Commands, CommandKeys]]:
        if dry_run:
            async with open_trial(self.settings, self.conninfo) as trial:
                yield trial
        else:
            async with open_service(self.settings, self.conninfo) as service:
                yield service.commands, service.command_keys

    async def run(self, *lines: bytes, dry_run: bool = False, results: int | None = None) -> list[LineResult]:
        """Import lines; break off after so many results."""
        file = Octets(file_of(*lines))
        found: list[LineResult] = []
        async with (
            self.parts(dry_run=dry_run) as (commands, keys),
            aclosing(import_people(read_lines(file), commands, keys, set[str]())) as told,
        ):
            async for result in told:
                found.append(result)
                if len(found) == results:
                    break
        return found

    async def account(self, *lines: bytes, dry_run: bool = False) -> dict[str, Any]:
        """What an import comes to."""
        tally = Tally()
        for result in await self.run(*lines, dry_run=dry_run):
            tally.count(result)
        return tally.as_json()

    def names(self) -> list[str]:
        """The names of all people in the log, in the order in which they came."""
        with projector(self.conninfo) as connection:
            return [fact.event.display_name for fact in Log(connection).facts(User.Registered)]


class Octets(RawIOBase):
    """A file in memory."""

    def __init__(self, content: bytes) -> None:
        self._content = BytesIO(content)

    def read(self, size: int = -1) -> bytes:
        return self._content.read(size)


@pytest.fixture
def importer(database: str, home: Path) -> Importer:
    return Importer(settings_in(home), database)


def refusals(results: Iterable[LineResult]) -> list[tuple[int, str, str | None]]:
    return [(result.line, result.code, result.field) for result in results if result.code]


async def test_every_line_is_accounted_for(importer: Importer) -> None:
    refused = refused_lines()
    lines = shuffled_in(crowd(1_500), [*(line.content for line in refused), b"", b"  \r"])
    reasons = {line.content: line for line in refused}

    results = await importer.run(*lines)

    assert [result.line for result in results] == list(range(1, len(lines) + 1))
    assert refusals(results) == [
        (number, reasons[content].code, reasons[content].field)
        for number, content in enumerate(lines, start=1)
        if content in reasons
    ]
    assert len(importer.names()) == 1_500


async def test_the_account_adds_up(importer: Importer) -> None:
    lines = [line(person("ann")), b"", line(person("ANN")), b"{", line(person("bob"))]

    assert await importer.account(*lines) == {
        "lines": 4,
        "blank": 1,
        "accepted": 2,
        "imported": 2,
        "alreadyImported": 0,
        "duplicates": 1,
        "erased": 0,
        "invalid": 1,
        "refusedByCode": {"email_taken": 1, "malformed_json": 1},
    }


async def test_an_address_whose_claim_cannot_be_read_fails_its_own_line(importer: Importer) -> None:
    await importer.run(*crowd(1))
    with psycopg.connect(importer.conninfo, autocommit=True) as owner:
        owner.execute("SET session_replication_role = replica")
        owner.execute("UPDATE log.event SET topic = 'email_claim.invented' WHERE topic = 'email_claim.claimed'")

    again = person("somebody_else", email="listener0@example.com")
    found = await importer.run(line(again), *crowd(3)[1:])

    assert [(result.outcome, result.code) for result in found] == [
        (Outcome.INVALID, "history_unreadable"),
        (Outcome.IMPORTED, None),
        (Outcome.IMPORTED, None),
    ]


async def test_importing_again_imports_nobody_twice_and_gives_the_same_account(importer: Importer) -> None:
    people = crowd(300)
    lines = shuffled_in(people + people[:50], [b"{", line(person("LISTENER7"))])
    first = await importer.account(*lines)
    head = head_of(importer.conninfo)

    again = await importer.account(*lines)

    assert again == {**first, "imported": 0, "alreadyImported": 300}
    assert head_of(importer.conninfo) == head


async def test_an_import_that_broke_off_is_completed_by_the_next(importer: Importer) -> None:
    lines = [*crowd(700), line(person("LISTENER0")), *crowd(700, "reader")]
    await importer.run(*lines, results=500)
    before = len(importer.names())

    account = await importer.account(*lines)

    assert 500 <= before < 1_400
    assert (account["imported"], account["alreadyImported"]) == (1_400 - before, before)
    assert sorted(importer.names()) == sorted({*importer.names()})
    assert account["duplicates"] == 1


async def test_a_corrected_file_adds_only_what_is_new(importer: Importer) -> None:
    await importer.run(line(person("ann")), b"{", line(person("bob")))

    account = await importer.account(line(person("new")), line(person("bob")), line(person("ann")))

    assert (account["imported"], account["alreadyImported"], account["duplicates"]) == (1, 2, 0)


async def test_of_lines_with_one_address_the_first_is_the_person(importer: Importer) -> None:
    spellings = ("ann{}@example.com", "ANN{}@example.com", "Ann{}@EXAMPLE.com")
    lines = [
        line(person("ann", email=spelling.format(n), displayName=f"{n} by {spelling}"))
        for n in range(200)
        for spelling in spellings
    ]

    results = await importer.run(*lines)

    assert {(code, field) for _, code, field in refusals(results)} == {("email_taken", "email")}
    assert importer.names() == [f"{n} by {spellings[0]}" for n in range(200)]


async def test_of_lines_with_one_external_id_the_first_is_the_person(importer: Importer) -> None:
    lines = [line(person(f"p{n}-{m}", externalId=f"crm-{n}")) for n in range(100) for m in range(3)]

    results = await importer.run(*lines)

    assert {(code, field) for _, code, field in refusals(results)} == {("external_id_taken", "externalId")}
    assert importer.names() == [f"Name of p{n}-0" for n in range(100)]


async def test_a_line_that_is_there_twice_is_one_person_and_one_duplicate(importer: Importer) -> None:
    twice = [line(person("ann"))] * 2

    assert refusals(await importer.run(*twice)) == [(2, "email_taken", "email")]
    assert refusals(await importer.run(*twice)) == [(2, "email_taken", "email")]


async def test_a_refused_line_does_not_keep_a_later_one_from_its_address(importer: Importer) -> None:
    results = await importer.run(line(person("ann", country="XX")), line(person("ann")))

    assert refusals(results) == [(1, "country_unknown", "country")]
    assert importer.names() == ["Name of ann"]


async def test_an_external_id_that_was_imported_with_other_content_is_refused(importer: Importer) -> None:
    await importer.run(line(person("ann", externalId="crm-1")))

    results = await importer.run(
        line(person("ann", externalId="crm-1", country="DE")), line(person("bob", externalId="crm-1"))
    )

    assert refusals(results) == [(1, "external_id_taken", "externalId"), (2, "external_id_taken", "externalId")]
    assert importer.names() == ["Name of ann"]


async def test_an_address_that_somebody_has_registered_is_taken(importer: Importer) -> None:
    async with open_service(*importer) as service:
        await service.commands.run(register_user, registration("ann"), context())

    assert refusals(await importer.run(line(person("Ann")))) == [(1, "email_taken", "email")]


async def test_somebody_who_has_moved_to_another_address_stays_imported(importer: Importer) -> None:
    lines = [line(person("ann", externalId="crm-1")), line(person("ANN", externalId="crm-2"))]
    await importer.run(*lines)
    await move(importer, user_id=await imported_user(importer), address="ann.new@example.com")
    head = head_of(importer.conninfo)

    account = await importer.account(*lines)

    assert (account["alreadyImported"], account["duplicates"]) == (1, 1)
    assert head_of(importer.conninfo) == head


@pytest.mark.parametrize("facts", [{}, {"externalId": "crm-1"}])
@pytest.mark.parametrize("dry_run", [False, True])
async def test_who_was_erased_since_is_not_brought_back_and_that_is_told(
    importer: Importer, facts: dict[str, Any], *, dry_run: bool
) -> None:
    lines = [line(person("ann", **facts)), line(person("bob"))]
    await importer.run(*lines)
    with projector(importer.conninfo) as connection:
        ann = next(Log(connection).facts(User.Registered)).event.originator_id
    async with open_service(importer.settings, importer.conninfo) as service:
        await service.commands.run(erase_user, EraseUser(user_id=ann), context())
    head = head_of(importer.conninfo)

    account = await importer.account(*lines, dry_run=dry_run)

    assert (account["alreadyImported"], account["erased"], account["refusedByCode"]) == (1, 1, {"user_is_erased": 1})
    assert (account["lines"], account["accepted"]) == (2, 1)
    assert head_of(importer.conninfo) == head


async def test_a_life_elsewhere_stands_in_the_log_with_its_own_instants(importer: Importer) -> None:
    life = person(
        "ann",
        createdAt="2014-05-17T10:30:00+02:00",
        emailVerified=True,
        status="suspended",
        statusReason="Chargeback, see ticket 7",
        statusSince="2020-02-29T12:00:00Z",
        consents=[{**consent(), "occurredAt": "2015-01-01T00:00:00Z"}],
    )

    first = await importer.account(line(life))
    again = await importer.account(line(life))

    assert (first["imported"], again["alreadyImported"]) == (1, 1)
    user = await user_of(importer, await imported_user(importer))
    assert user.created_at == datetime(2014, 5, 17, 8, 30, tzinfo=UTC)
    assert (user.email_verified, user.status, user.email_request) == (True, UserStatus.SUSPENDED, None)


async def test_people_come_with_their_consents_and_without_being_mailed(importer: Importer) -> None:
    consents = [consent("marketing"), consent("analytics", granted=False)]
    await importer.run(line(person("ann", consents=consents)))

    user = await user_of(importer, await imported_user(importer))

    assert {purpose: given.granted for purpose, given in user.consents.items()} == {
        "marketing": True,
        "analytics": False,
    }
    assert user.email_request is None


async def test_it_is_on_record_that_the_import_did_it_and_which_people_came_together(importer: Importer) -> None:
    await importer.run(*crowd(20))
    await importer.run(*crowd(10, "reader"))

    with psycopg.connect(importer.conninfo) as connection:
        rows = connection.execute(
            "SELECT actor, count(*), count(DISTINCT command_id) FROM log.event WHERE topic = 'user.registered' "
            "GROUP BY actor, correlation_id ORDER BY 2"
        ).fetchall()
    assert rows == [("system:import", 10, 10), ("system:import", 20, 20)]


async def test_a_trial_says_what_would_come_of_it_and_changes_nothing(importer: Importer) -> None:
    await importer.run(*crowd(50), line(person("held", externalId="crm-1")))
    head = head_of(importer.conninfo)
    lines = [
        *crowd(150),
        line(person("LISTENER60")),
        line(person("held")),
        line(person("other", externalId="crm-1")),
        *(refused.content for refused in refused_lines()),
    ]

    tried = await importer.run(*lines, dry_run=True)

    assert head_of(importer.conninfo) == head
    assert tried == await importer.run(*lines)


async def test_many_more_lines_than_are_under_way_at_a_time_are_no_problem(importer: Importer) -> None:
    account = await importer.account(*crowd(3 * LINES_UNDER_WAY))

    assert account["imported"] == 3 * LINES_UNDER_WAY


@pytest.mark.parametrize("seed", range(4))
async def test_files_full_of_duplicates_come_out_as_if_taken_line_by_line(importer: Importer, seed: int) -> None:
    rng = random.Random(seed)
    files = [[somebody(rng) for _ in range(400)] for _ in range(2)]
    files.append(rng.sample(files[0], 400))
    expected = OneByOne()

    for people in files:
        results = await importer.run(*map(line, people))
        assert [(result.outcome.value, result.code) for result in results] == [expected.take(facts) for facts in people]
        expected.next_file()

    assert sorted(importer.names()) == sorted(expected.names)


def somebody(rng: random.Random) -> dict[str, Any]:
    name = f"{rng.choice(['p', 'P'])}{rng.randrange(120)}"
    external_id = f"crm-{rng.randrange(150)}" if rng.random() < 0.7 else None
    return person(name, externalId=external_id, country=rng.choice(["SE", "DE"]))


class OneByOne:
    """The rules of an import, without any concurrency."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._addresses: set[str] = set()
        self._contents: dict[Any, dict[str, Any]] = {}
        self._accepted: set[str] = set()

    def next_file(self) -> None:
        self._accepted.clear()

    def take(self, facts: dict[str, Any]) -> tuple[str, str | None]:
        address, external_id = facts["email"].casefold(), facts.get("externalId")
        identity = external_id or repr(facts)
        if address in self._accepted:
            return "duplicate", "email_taken"
        if external_id in self._accepted:
            return "duplicate", "external_id_taken"
        known = self._contents.get(identity)
        if known is not None and known != facts:
            return "duplicate", "external_id_taken"
        if known is None and address in self._addresses:
            return "duplicate", "email_taken"
        self._accepted |= {address, external_id} - {None}
        if known is not None:
            return "alreadyImported", None
        self._addresses.add(address)
        self._contents[identity] = facts
        self.names.append(facts["displayName"])
        return "imported", None


async def imported_user(importer: Importer) -> UUID:
    """The only user there is."""
    with psycopg.connect(importer.conninfo) as connection:
        rows = connection.execute("SELECT stream_id FROM log.event WHERE topic = 'user.registered'").fetchall()
    ((user_id,),) = rows
    assert isinstance(user_id, UUID)
    return user_id


async def user_of(importer: Importer, user_id: UUID) -> User:
    async with open_service(*importer) as service:
        user, _ = await service.using(Users).user(user_id)
    assert user
    return user


async def move(importer: Importer, user_id: UUID, address: str) -> None:
    """Have a user change their address."""
    tokens = MailedTokens(load_keyring(importer.settings.keys).derive("mailed tokens"))
    async with open_service(*importer) as service:
        wanted = RequestEmailChange(user_id=user_id, email=address)
        await service.commands.run(request_email_change, wanted, context())
        user, _ = await service.using(Users).user(user_id)
        assert user
        assert user.email_request
        token = tokens.issue(user_id, user.email_request)
        await service.commands.run(confirm_email, ConfirmEmail(token=token), context())
