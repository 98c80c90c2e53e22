"""`reprise badges`: somebody's badges."""

from uuid import UUID

from api.badges.views import BadgesView, badges_view
from api.cli.database import open_database
from api.cli.terminal import write_json
from application.badges.queries import Badges
from application.ports import Service
from infrastructure.postgres.logins import Login


def badges(user: UUID, /) -> None:
    """Show somebody's badges, as JSON.

    Parameters
    ----------
    user
        The user's id.

    """

    async def held(service: Service) -> BadgesView:
        rows, _ = await service.using(Badges).of_user(user)
        return badges_view(list(rows))

    with open_database(Login.API) as database:
        write_json(database.with_service(held))
