"""What is true of a user from the first fact on."""

from domain.users import EmailRequest, User
from domain.users.values import ExternalId, UserStatus
from tests.support.instants import CONFIRM_BY
from tests.support.scenarios import fact_of, happened, played
from tests.support.users import BIRTH_DATE, COUNTRY, EMAIL, LOCALE, NAME


def test_registering_records_all_that_the_person_told() -> None:
    user = User(
        email=EMAIL,
        display_name=NAME,
        country=COUNTRY,
        locale=LOCALE,
        birth_date=BIRTH_DATE,
        explicit_content_filter=True,
        external_id=ExternalId("crm-1"),
        confirm_by=CONFIRM_BY,
    )

    (registered,) = user.collect_events()

    assert fact_of(registered) == happened(
        User.Registered,
        email=EMAIL,
        display_name=NAME,
        country=COUNTRY,
        locale=LOCALE,
        birth_date=BIRTH_DATE,
        explicit_content_filter=True,
        external_id="crm-1",
        confirm_by=CONFIRM_BY,
    )
    assert played([registered]) == user


def test_only_address_name_and_country_are_needed() -> None:
    user = User(email=EMAIL, display_name=NAME, country=COUNTRY)

    (registered,) = user.collect_events()

    assert fact_of(registered) == happened(User.Registered, email=EMAIL, display_name=NAME, country=COUNTRY)
    assert (user.locale, user.birth_date, user.external_id, user.explicit_content_filter) == (None, None, None, False)


def test_a_new_user_is_active_with_an_address_that_is_not_verified() -> None:
    user = User(email=EMAIL, display_name=NAME, country=COUNTRY, confirm_by=CONFIRM_BY)

    assert (user.status, user.version) == (UserStatus.ACTIVE, 1)
    assert (user.email_verified, user.pending_email) == (False, None)
    assert user.consents == {}


def test_registering_with_a_deadline_asks_for_the_address_to_be_confirmed() -> None:
    user = User(email=EMAIL, display_name=NAME, country=COUNTRY, confirm_by=CONFIRM_BY)

    assert user.email_request == EmailRequest(EMAIL, CONFIRM_BY, asked_at_version=1)


def test_registering_without_a_deadline_asks_nothing() -> None:
    user = User(email=EMAIL, display_name=NAME, country=COUNTRY)

    assert user.email_request is None


def test_each_user_gets_an_id_of_their_own_that_sorts_by_time() -> None:
    users = [User(email=EMAIL, display_name=NAME, country=COUNTRY) for _ in range(3)]

    ids = {user.id for user in users}

    assert len(ids) == 3
    assert {user_id.version for user_id in ids} == {7}
