"""Times and limits that the business decides."""

from datetime import timedelta

import msgspec

from domain.limits import Limit

DAY = timedelta(hours=24)


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for accounts."""

    confirm_within: timedelta = timedelta(days=3)
    erase_after: timedelta = timedelta(days=30)
    export_good_for: timedelta = timedelta(hours=24)
    email_requests: Limit = Limit(4, DAY)
    """How often one account may ask for a mail that confirms an address."""
    mails_to_address: Limit = Limit(5, DAY)
    """How many mails one address is sent, whoever asks for them. One more than an account may ask for: what an account
    does by itself, its registration included, it is told to be too much before mails are withheld."""
