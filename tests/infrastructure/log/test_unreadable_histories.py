"""What becomes of somebody of whose history something cannot be read (docs/decisions/0037-unreadable-histories.md)."""

import asyncio
from pathlib import Path

import psycopg
import pytest

from application.unreadable import HistoryUnreadableError
from application.users.change_profile import ChangeProfile, ProfilePatch, change_profile
from application.users.register_user import register_user
from infrastructure.composition import open_commands
from tests.support.damage import damage
from tests.support.running import context, registration, settings_in


@pytest.mark.parametrize("what", ["a garbled key", "a key cut off", "an empty key"])
def test_nothing_is_sealed_with_a_key_that_cannot_be_stored(database: str, home: Path, what: str) -> None:
    """The process remembers the person, but not their key: a new one could never take the damaged one's place."""

    async def scenario() -> None:
        async with open_commands(settings_in(home), database) as commands:
            user_id = (await commands.run(register_user, registration("ada"), context())).aggregate_id
            damage(database, str(user_id), what)
            commands.keys.forget(user_id)
            renaming = ChangeProfile(user_id=user_id, patch=ProfilePatch(display_name="Countess"))
            for _ in range(2):
                with pytest.raises(HistoryUnreadableError):
                    await commands.run(change_profile, renaming, context())

    asyncio.run(scenario())

    with psycopg.connect(database) as connection:
        topics = connection.execute('SELECT topic FROM log.event ORDER BY "position"').fetchall()
    assert topics == [("user.registered",), ("email_claim.claimed",)]
