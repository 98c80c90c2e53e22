"""Filters of audit searches, parsed, because the filters of exports are recorded themselves, in clear and for ever.

So an actor must be written as events name actors, and each area parses its own filters as strictly. Free text would
sooner or later contain the name of a person.
"""

import re
from typing import NewType
from uuid import UUID

from application.actors import Role

ActorName = NewType("ActorName", str)
"""A role and an id, as events name actors (`support:alice`)."""

RECIPIENT_OF_MAIL = "recipient-of-mail"
"""The id of the recipient of a mailed token, of whom nothing else is known."""
ACTOR_RULE = "An actor is written role:id, such as support:alice; a person user: and the id of the account."

_OUTSIDE = re.compile(r"[\x21-\x7e]{1,255}")
"""As access tokens name subjects."""
_PLATFORM = re.compile(r"[a-z][a-z0-9-]{0,63}")


class FilterInvalidError(ValueError):
    """Nothing on record can be like that. Says what can be, and nothing of what was given."""


def parse_actor(text: str) -> ActorName:
    """An actor, written as events name them. Raises `FilterInvalidError`."""
    role, _, name = text.partition(":")
    match role:
        case Role.USER:
            return ActorName(f"{role}:{_account(name)}")
        case Role.SYSTEM if _PLATFORM.fullmatch(name):
            return ActorName(text)
        case Role.ADMIN | Role.SUPPORT | Role.AUDITOR | Role.SERVICE if _OUTSIDE.fullmatch(name):
            return ActorName(text)
        case _:
            raise FilterInvalidError(ACTOR_RULE)


def _account(text: str) -> str:
    if text == RECIPIENT_OF_MAIL:
        return text
    try:
        return str(UUID(text))
    except ValueError:
        raise FilterInvalidError(ACTOR_RULE) from None
