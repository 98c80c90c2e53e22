"""The API as it is served, and two routes that do nothing: what the framework costs before anything is done."""

import sys
from functools import partial
from uuid import UUID

import msgspec
import structlog
import uvicorn
from litestar import Controller, Router, get, post
from litestar.params import JSONBody
from litestar.types import ASGIApp

from api.cli.parent_watch import watch_lifeline
from api.http.answers import Answer
from api.http.logs import configure_logging
from api.http.metrics import Metrics
from api.http.middleware import HeadAnswered, Observed
from api.http.permissions import Permission
from api.http.requests import ApiRequest
from api.main import create_litestar, server_options
from api.users.views import UserReceipt
from infrastructure.composition import open_service
from infrastructure.release import this_release
from infrastructure.settings import settings_from
from infrastructure.tokens.verifier import tokens_of

NOTHING = UserReceipt(user_id=UUID(int=0), version=1, position=1)
APP = "benchmarks.api_process:app_from_environment"


class NoOpController(Controller):
    """Passes everything that a command passes, reads the content, and answers."""

    path = "/no-op"

    @post(["/", "/{user_id:uuid}"], permission=Permission.USERS_REGISTER, status_code=200)
    async def do_nothing(self, request: ApiRequest, data: JSONBody[msgspec.Raw]) -> Answer[UserReceipt]:  # noqa: ARG002
        """Read the content, and do nothing about it."""
        return Answer(NOTHING, [])

    @get(permission=Permission.USERS_READ)
    async def look_at_nothing(self, request: ApiRequest) -> Answer[UserReceipt]:  # noqa: ARG002
        """Answer."""
        return Answer(NOTHING, [])


def app_from_environment() -> ASGIApp:
    """What `api.main.app_from_environment` makes, with these routes beside the others."""
    configure_logging()
    settings = settings_from()
    metrics = Metrics()
    tokens = tokens_of(settings)
    service = partial(open_service, settings, settings.database_url or "")
    app = create_litestar(service, tokens, metrics, this_release())
    app.register(Router("/v1", route_handlers=[NoOpController]))
    return Observed(HeadAnswered(app), metrics, structlog.get_logger("api"))


if __name__ == "__main__":
    watch_lifeline()
    uvicorn.run(APP, factory=True, workers=int(sys.argv[1]), **server_options(settings_from()))
