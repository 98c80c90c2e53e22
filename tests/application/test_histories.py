"""Many people at once, asking for anything in any order: what must be true of the log after every command."""

from collections import defaultdict
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from application.change_profile import ChangeProfile, ProfilePatch, change_profile
from application.commands import UseCase
from application.confirm_email import ConfirmEmail, confirm_email
from application.deactivate_user import DeactivateUser, deactivate_user
from application.import_person import ImportPerson, import_person
from application.platform import Platform, Saved
from application.reactivate_user import ReactivateUser, reactivate_user
from application.record_consent import ConsentChoice, RecordConsent, record_consent
from application.register_user import RegisterUser, register_user
from application.reinstate_user import ReinstateUser, reinstate_user
from application.request_deletion import RequestDeletion, request_deletion
from application.request_email_change import RequestEmailChange, request_email_change
from application.suspend_user import SuspendUser, suspend_user
from application.user_directory import UserEntry, user_entry
from application.withdraw_deletion import WithdrawDeletion, withdraw_deletion
from domain.email_claims import EmailClaim
from domain.errors import DomainError
from domain.users import EmailRequest, User
from domain.values import UserStatus, email_key
from infrastructure.event_codec import decode, encode
from tests.support.in_memory_platform import InMemoryLog
from tests.support.scenarios import played

# Few addresses and several spellings, so that people are in each other's way.
ADDRESSES = st.sampled_from(
    ["ada@example.com", "ADA@example.com", "grace@example.com", "\uff47race@example.com", "joan@example.org"]
)
NAMES = st.sampled_from(["Ada", "Grace", " Joan ", "\u202eada"])
TIMES = st.sampled_from([timedelta(seconds=1), timedelta(days=1), timedelta(days=3)])


async def erase_user(user_id: UUID, platform: Platform) -> Saved:
    user = await platform.user(user_id)

    user.erase()

    return await platform.save(user)


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


class Token:
    """A token that was mailed, and the question it answers."""

    def __init__(self, user_id: UUID, request: EmailRequest, text: str) -> None:
        self.user_id = user_id
        self.request = request
        self.text = text
        self.used = False


class People(RuleBasedStateMachine):
    """Carries out commands; after each of them the promises hold."""

    users: Bundle[UUID] = Bundle("users")
    tokens: Bundle[Token] = Bundle("tokens")

    def __init__(self) -> None:
        super().__init__()
        self.log = InMemoryLog()
        self._seen = 0
        self._people: dict[UUID, User] = {}
        self._holders: dict[UUID, UUID | None] = {}
        self._directory: dict[UUID, UserEntry | None] = {}

    # What people ask for ---------------------------------------------------------------------------------------------

    @initialize(target=users, email=ADDRESSES)
    def begin(self, email: str) -> Any:
        return self._registered(register_user, RegisterUser(email=email, display_name="Ada", country="GB"))

    @rule(target=users, email=ADDRESSES)
    def register(self, email: str) -> Any:
        return self._registered(register_user, RegisterUser(email=email, display_name="Grace", country="GB"))

    @rule(target=users, email=ADDRESSES)
    def take_over(self, email: str) -> Any:
        return self._registered(import_person, ImportPerson(email=email, display_name="Joan", country="SE"))

    @rule(target=tokens, user_id=users, email=ADDRESSES)
    def ask_for_address(self, user_id: UUID, email: str) -> Any:
        self._run(request_email_change, RequestEmailChange(user_id=user_id, email=email))
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
            assert not token.used
            assert self.log.now < token.request.confirm_by
            token.used = True

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

    # What must be true -----------------------------------------------------------------------------------------------

    @invariant()
    def positions_and_versions_have_no_gaps(self) -> None:
        versions: dict[UUID, list[int]] = defaultdict(list)
        for recorded in self.log.recorded:
            versions[recorded.event.originator_id].append(recorded.event.originator_version)

        assert [recorded.position for recorded in self.log.recorded] == list(range(1, self.log.head + 1))
        assert all(found == list(range(1, len(found) + 1)) for found in versions.values())

    @invariant()
    def every_aggregate_is_its_facts_played_again(self) -> None:
        for aggregate_id, live in self.log.saved.items():
            assert _played(live, self.log.stream(aggregate_id)) == live

    @invariant()
    def every_aggregate_is_its_stored_facts_played_again(self) -> None:
        for aggregate_id, live in self.log.saved.items():
            assert _played(live, [_stored(event) for event in self.log.stream(aggregate_id)]) == live

    @invariant()
    def at_every_prefix_an_address_belongs_to_one_and_the_directory_agrees(self) -> None:
        for recorded in self.log.recorded[self._seen :]:
            event = recorded.event
            if isinstance(event, EmailClaim.Claimed):
                assert self._holders.get(event.originator_id) is None
                self._holders[event.originator_id] = event.user_id
            elif isinstance(event, EmailClaim.Released):
                assert self._holders[event.originator_id] == event.user_id
                self._holders[event.originator_id] = None
            else:
                self._follow(recorded)
        self._seen = self.log.head

    @invariant()
    def people_hold_their_own_addresses_and_no_others(self) -> None:
        held: dict[UUID, set[UUID]] = defaultdict(set)
        for claim_id, holder in self._holders.items():
            if holder:
                held[holder].add(claim_id)

        for user in self._people.values():
            if not user.erased:
                addresses = filter(None, (user.email, user.pending_email))
                assert held[user.id] == {self.log.claim_ids.of(address) for address in addresses}

    def _follow(self, recorded: Any) -> None:
        """One more fact about a person: nobody else may use the same address, and the directory shows what is so."""
        user_id = recorded.event.originator_id
        user = self._people[user_id] = recorded.event.mutate(self._people.get(user_id))
        entry = self._directory[user_id] = user_entry(self._directory.get(user_id), recorded)

        in_use = [email_key(other.email) for other in self._people.values() if not other.erased]
        assert len(in_use) == len(set(in_use))
        assert (entry.status if entry else UserStatus.ERASED) == user.status
        assert entry is None or (entry.email, entry.version) == (user.email, user.version)

    # How it is asked -------------------------------------------------------------------------------------------------

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


def _played(live: Any, events: list[Any]) -> Any:
    return played(events, EmailClaim.vacant(live.id) if isinstance(live, EmailClaim) else None)


def _stored(event: Any) -> Any:
    topic, state = encode(event)
    return decode(topic, state, event.originator_id, event.originator_version, event.timestamp)


TestPeople = People.TestCase
TestPeople.settings = settings(max_examples=60, stateful_step_count=50)
