"""Lives that a user may have had: anything asked for, in any order, much of it refused."""

import contextlib

from hypothesis import strategies as st

from domain.errors import DomainError
from domain.users import User
from tests.support.instants import CONFIRM_BY, NOW
from tests.support.scenarios import Ask
from tests.support.users import (
    ADS,
    ASKS,
    COUNTRY,
    DOCUMENT,
    EMAIL,
    NAME,
    OFTEN,
    OTHER_EMAIL,
)

_MORE_ASKS: tuple[Ask[User], ...] = (
    lambda user: user.request_email_change(EMAIL, CONFIRM_BY, NOW, OFTEN),
    lambda user: user.request_email_change(OTHER_EMAIL, CONFIRM_BY, NOW, OFTEN),
    lambda user: user.confirm_email(NOW),
    lambda user: user.change_display_name(NAME),
    lambda user: user.change_country(COUNTRY),
    lambda user: user.change_locale(None),
    lambda user: user.change_birth_date(None),
    lambda user: user.record_consent(ADS, DOCUMENT, granted=False),
)
# Few are erased early: there is not much to see of them.
_ASKS = [ask for name, ask in ASKS.items() if name != "erase"] * 3 + list(_MORE_ASKS) * 3 + [ASKS["erase"]]


def histories() -> st.SearchStrategy[list[Ask[User]]]:
    """What is asked of one user, in order."""
    return st.lists(st.sampled_from(_ASKS), max_size=30)


def lived(user: User, asks: list[Ask[User]]) -> User:
    """The user, after all that they were asked for and did not refuse."""
    for ask in asks:
        with contextlib.suppress(DomainError):
            ask(user)
    return user
