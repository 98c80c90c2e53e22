"""`reprise badges`: somebody's badges."""

import asyncio
from uuid import UUID

from api.badges.views import BadgesView, badges_view
from api.cli.terminal import write_json
from application.badges.queries import Badges
from infrastructure.composition import open_service
from infrastructure.postgres.database import migrated_database, require_data
from infrastructure.postgres.logins import Login
from infrastructure.settings import Settings, settings_from


def badges(user: UUID, /) -> None:
    """Show somebody's badges, as JSON.

    Parameters
    ----------
    user
        The user's id.

    """
    settings = settings_from()
    require_data(settings)
    with migrated_database(settings, Login.API) as conninfo:
        write_json(asyncio.run(_of(settings, conninfo, user)))


async def _of(settings: Settings, conninfo: str, user: UUID) -> BadgesView:
    async with open_service(settings, conninfo) as service:
        rows, _ = await service.using(Badges).of_user(user)
    return badges_view(list(rows))
