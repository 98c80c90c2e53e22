"""Many people at once, asking for anything in any order: what must be true of the log after every command."""

from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from application.commands import UseCase
from application.imports.import_person import ImportPerson, import_person
from application.unit_of_work import Saved, UnitOfWork
from application.users.change_profile import ChangeProfile, ProfilePatch, change_profile
from application.users.deactivate_user import DeactivateUser, deactivate_user
from application.users.directory import UserEntry, user_entry
from application.users.emails.confirm_email import ConfirmEmail, confirm_email
from application.users.emails.request_email_change import RequestEmailChange, request_email_change
from application.users.reactivate_user import ReactivateUser, reactivate_user
from application.users.record_consent import ConsentChoice, RecordConsent, record_consent
from application.users.register_user import RegisterUser, register_user
from application.users.reinstate_user import ReinstateUser, reinstate_user
from application.users.request_deletion import RequestDeletion, request_deletion
from application.users.suspend_user import SuspendUser, suspend_user
from application.users.withdraw_deletion import WithdrawDeletion, withdraw_deletion
from domain.errors import DomainError
from domain.kernel import event_types
from domain.users import EmailRequest, User
from domain.users.email_claim import EmailClaim
from domain.users.values import UserStatus
from domain.values import email_key
from infrastructure.log.event_codec import decode, encode
from tests.support.in_memory_log import InMemoryLog
from tests.support.scenarios import played

# Few addresses and several spellings, so that people are in each other's way.
ADDRESSES = st.sampled_from(
    ["ada@example.com", "ADA@example.com", "grace@example.com", "\uff47race@example.com", "joan@example.org"]
)
NAMES = st.sampled_from(["Ada", "Grace", " Joan ", "\u202eada"])
TIMES = st.sampled_from([timedelta(seconds=1), timedelta(days=1), timedelta(days=3)])


async def erase_user(user_id: UUID, work: UnitOfWork) -> Saved:
    user = await work.target(User, user_id)

    user.erase()

    return await work.save(user)


CLOSE: list[tuple[UseCase[Any], Callable[[UUID], Any]]] = [
    (suspend_user, lambda user_id: SuspendUser(user_id=user_id, reason="Fraud")),
    (deactivate_user, lambda user_id: DeactivateUser(user_id=user_id)),
    (request_deletion, lambda user_id: RequestDeletion(user_id=user_id)),
    (erase_user, lambda user_id: user_id),
]
REOPEN: list[tuple[UseCase[Any], Callable[[UUID], Any]]] = [
    (reinstate_user, lambda user_id: ReinstateUser(user_id=user_id, reason="Appeal")),
    (reactivate_user, lambda user_id: ReactivateUser(user_id=user_id)),
    (withdraw_deletion, lambda user_id: WithdrawDeletion(user_id=user_id)),
]


class Token(msgspec.Struct, frozen=True):
    """A token that was mailed, and the question it answers."""

    user_id: UUID
    request: EmailRequest
    text: str


class People(RuleBasedStateMachine):
    """Carries out commands; after each of them the promises hold."""

    users: Bundle[UUID] = Bundle("users")
    tokens: Bundle[Token] = Bundle("tokens")

    def __init__(self) -> None:
        super().__init__()
        self.log = InMemoryLog()
        self._used: set[str] = set()
        self._seen = 0
        self._versions: dict[UUID, int] = defaultdict(int)
        self._people: dict[UUID, User] = {}
        self._claims: dict[UUID, EmailClaim.Claimed | None] = {}
        self._directory: dict[UUID, UserEntry | None] = {}
        self._mailed: dict[UUID, list[datetime]] = defaultdict(list)

    @initialize(target=users, email=ADDRESSES)
    def begin(self, email: str) -> Any:
        return self._registered(register_user, RegisterUser(email=email, display_name="Ada", country="GB"))

    @rule(target=users, email=ADDRESSES)
    def register(self, email: str) -> Any:
        return self._registered(register_user, RegisterUser(email=email, display_name="Grace", country="GB"))

    @rule(target=users, email=ADDRESSES)
    def take_over(self, email: str) -> Any:
        return self._registered(import_person, ImportPerson(email=email, display_name="Joan", country="SE"))

    @rule(target=tokens, user_id=users, email=ADDRESSES, is_staff=st.booleans())
    def ask_for_address(self, user_id: UUID, email: str, *, is_staff: bool) -> Any:
        command = RequestEmailChange(user_id=user_id, email=email, discloses_holder=is_staff)
        self._run(request_email_change, command)
        return self._mail(user_id)

    @rule(target=tokens, user_id=users)
    def read_mail(self, user_id: UUID) -> Any:
        return self._mail(user_id)

    @rule(token=tokens)
    def confirm(self, token: Token) -> None:
        saved = self._run(confirm_email, ConfirmEmail(token=token.text))

        if saved:
            user = self.log.user(token.user_id)
            assert (saved.aggregate_id, user.email, user.email_verified) == (token.user_id, token.request.email, True)
            assert token.text not in self._used
            assert self.log.now < token.request.confirm_by
            self._used.add(token.text)

    @rule(user_id=users, name=NAMES, country=st.sampled_from(["GB", "SE"]), locale=st.sampled_from(["sv", None]))
    def change_profile(self, user_id: UUID, name: str, country: str, locale: str | None) -> None:
        patch = ProfilePatch(display_name=name, country=country, locale=locale)
        self._run(change_profile, ChangeProfile(user_id=user_id, patch=patch))

    @rule(user_id=users, purpose=st.sampled_from(["ads", "mail"]), granted=st.booleans())
    def answer(self, user_id: UUID, purpose: str, *, granted: bool) -> None:
        choice = ConsentChoice(granted=granted, document_version="1")
        self._run(record_consent, RecordConsent(user_id=user_id, purpose=purpose, choice=choice))

    @rule(user_id=users, close=st.sampled_from(CLOSE))
    def close(self, user_id: UUID, close: tuple[UseCase[Any], Callable[[UUID], Any]]) -> None:
        use_case, command = close
        self._run(use_case, command(user_id))

    @rule(user_id=users, reopen=st.sampled_from(REOPEN))
    def reopen(self, user_id: UUID, reopen: tuple[UseCase[Any], Callable[[UUID], Any]]) -> None:
        use_case, command = reopen
        self._run(use_case, command(user_id))

    @rule(time=TIMES)
    def let_time_pass(self, time: timedelta) -> None:
        self.log.now += time

    @invariant()
    def the_promises_hold(self) -> None:
        news = self.log.recorded[self._seen :]
        for position, recorded in enumerate(news, start=self._seen + 1):
            self._versions[recorded.event.originator_id] += 1
            assert (recorded.position, recorded.event.originator_version) == (
                position,
                self._versions[recorded.event.originator_id],
            )
            if type(recorded.event) in event_types(EmailClaim):
                self._follow_claim(recorded.event, recorded.recorded_at)
            else:
                self._follow_person(recorded)
        self._seen = self.log.head

        self._expect_aggregates_to_be_their_facts_played_again({recorded.event.originator_id for recorded in news})
        self._expect_people_to_hold_their_own_addresses_and_no_others()
        self._expect_no_address_to_be_mailed_too_often()

    def _expect_aggregates_to_be_their_facts_played_again(self, changed: set[UUID]) -> None:
        for aggregate_id in changed:
            live, events = self.log.saved[aggregate_id], self.log.stream(aggregate_id)
            assert _played(live, events) == live
            assert _played(live, [_stored(event) for event in events]) == live

    def _follow_claim(self, event: Any, at: datetime) -> None:
        before = self._claims.get(event.originator_id)
        if getattr(event, "mailed_at", None):
            self._mailed[event.originator_id].append(event.mailed_at)
        if isinstance(event, EmailClaim.AskedFor | EmailClaim.Contested | EmailClaim.Withdrawn):
            return
        if isinstance(event, EmailClaim.Claimed):
            assert before is None or before.user_id == event.user_id or _has_run_out(before, at)
            self._claims[event.originator_id] = event
        else:
            assert before is not None
            assert before.user_id == event.user_id
            self._claims[event.originator_id] = None

    def _follow_person(self, recorded: Any) -> None:
        user_id = recorded.event.originator_id
        user = self._people[user_id] = recorded.event.mutate(self._people.get(user_id))
        entry = self._directory[user_id] = user_entry(self._directory.get(user_id), recorded)

        in_use = [email_key(other.email) for other in self._people.values() if not other.erased]
        assert len(in_use) == len(set(in_use))
        assert (entry.status if entry else UserStatus.ERASED) == user.status
        assert entry is None or (entry.email, entry.version) == (user.email, user.version)

    def _expect_people_to_hold_their_own_addresses_and_no_others(self) -> None:
        held: dict[UUID, set[UUID]] = defaultdict(set)
        for claim_id, claim in self._claims.items():
            if claim:
                held[claim.user_id].add(claim_id)

        for user in self._people.values():
            if not user.erased:
                addresses = {self.log.claim_ids.of(email) for email in (user.email, user.pending_email or user.email)}
                in_force = {claim_id for claim_id in held[user.id] if self._is_in_force(claim_id)}
                assert {self.log.claim_ids.of(user.email)} <= in_force <= addresses

    def _expect_no_address_to_be_mailed_too_often(self) -> None:
        limit = self.log.policy.mails_to_address
        for instants in self._mailed.values():
            in_a_day = (sum(at <= other < at + limit.within for other in instants) for at in instants)
            assert max(in_a_day) <= limit.times

    def _is_in_force(self, claim_id: UUID) -> bool:
        claim = self._claims[claim_id]
        return claim is not None and not _has_run_out(claim, self.log.now)

    def _run(self, use_case: UseCase[Any], command: Any) -> Saved | None:
        head = self.log.head
        try:
            return self.log.run(use_case, command)
        except DomainError:
            assert self.log.head == head
            return None

    def _registered(self, use_case: UseCase[Any], command: Any) -> Any:
        saved = self._run(use_case, command)
        return saved.aggregate_id if saved else multiple()

    def _mail(self, user_id: UUID) -> Any:
        request = self.log.user(user_id).email_request
        return Token(user_id, request, self.log.mailed_token(user_id)) if request else multiple()


def _has_run_out(claim: EmailClaim.Claimed, at: datetime) -> bool:
    return claim.reserved_until is not None and claim.reserved_until <= at


def _played(live: Any, events: list[Any]) -> Any:
    return played(events, EmailClaim.blank(live.id) if isinstance(live, EmailClaim) else None)


def _stored(event: Any) -> Any:
    topic, state = encode(event)
    return decode(topic, state, event.originator_id, event.originator_version, event.timestamp)


TestPeople = People.TestCase
TestPeople.settings = settings(max_examples=60, stateful_step_count=50)
