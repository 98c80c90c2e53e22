"""Puts the HTTP API together and serves it."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any

import psycopg
import structlog
import uvicorn
from litestar import Litestar
from litestar.types import ASGIApp

from api.connections.connection import Connection
from api.connections.descriptors import TooFewDescriptorsError, allow_connections
from api.connections.limits import Limits
from api.connections.open_connections import OpenConnections
from api.http.admission import admit, check_declarations
from api.http.exception_handlers import exception_handlers
from api.http.logs import configure_logging
from api.http.metrics import Metrics
from api.http.middleware import HeadAnswered, Observed
from api.http.own_writes import OwnWrites
from api.http.requests import ApiRequest
from api.operations.metrics import ServiceMetrics
from api.routes import route_handlers
from application.access_tokens import AccessTokens
from application.ports import Service
from application.release import Release
from infrastructure.composition import open_service
from infrastructure.garbage_collection import make_collection_rare
from infrastructure.postgres.unavailability import is_unavailable
from infrastructure.release import this_release
from infrastructure.settings import SettingInvalidError, Settings, settings_from
from infrastructure.tokens.issuer import TokenIssuer
from infrastructure.tokens.verifier import tokens_of

ServiceOpener = Callable[[], AbstractAsyncContextManager[Service]]

DATABASE_ERRORS = (psycopg.Error, ConnectionError, TimeoutError)
DRAIN_SECONDS = 10
"""How long requests in progress may take when the server stops."""
START_SECONDS = 60
"""How long a worker process may take to answer its parent before it is replaced.

On a busy machine it takes long to start, and a process that is replaced too early starts over and over.
"""


def create_litestar(open_service: ServiceOpener, tokens: AccessTokens, metrics: Metrics, release: Release) -> Litestar:
    """The routes, without the ASGI wrappers around them. Raises `UndeclaredPermissionError`."""

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        async with open_service() as service:
            app.state.service = service
            make_collection_rare()
            yield

    app = Litestar(
        route_handlers=route_handlers(),
        lifespan=[lifespan],
        before_request=admit,  # type: ignore[arg-type] # requests are of the class that is named below
        exception_handlers=exception_handlers(DATABASE_ERRORS, is_unavailable),
        request_class=ApiRequest,
        openapi_config=None,
        logging_config=None,
    )
    app.state.tokens = tokens
    app.state.metrics = metrics
    app.state.service_metrics = ServiceMetrics(metrics)
    app.state.release = release
    app.state.own_writes = OwnWrites()
    check_declarations(app.routes)
    return app


def create_app(open_service: ServiceOpener, tokens: AccessTokens, release: Release) -> ASGIApp:
    """The whole API, as an ASGI application that opens and closes the service it is given."""
    metrics = Metrics()
    app = create_litestar(open_service, tokens, metrics, release)
    return Observed(HeadAnswered(app), metrics, structlog.get_logger("api"))


def app_of(settings: Settings, conninfo: str) -> ASGIApp:
    """The API on a migrated database. Raises `SettingInvalidError`."""
    if settings.jwks_path == settings.own_jwks_path and not settings.production:
        TokenIssuer(settings).publish()
    return create_app(lambda: open_service(settings, conninfo), tokens_of(settings), this_release())


def app_from_environment() -> ASGIApp:
    """The API in a worker process, which knows its settings from the environment only."""
    configure_logging()
    settings = settings_from()
    return app_of(settings, settings.database_url or "")


def serve(settings: Settings, conninfo: str, workers: int = 1) -> None:
    """Serve until SIGINT or SIGTERM; requests in progress are finished, within `DRAIN_SECONDS`.

    Raises `SettingInvalidError` if the process may not open as many connections as configured.
    """
    _allow_connections(settings)
    if workers == 1:
        uvicorn.Server(uvicorn.Config(app_of(settings, conninfo), **server_options(settings))).run()
        return
    os.environ["REPRISE_DATABASE_URL"] = conninfo
    uvicorn.run("api.main:app_from_environment", factory=True, workers=workers, **server_options(settings))


def _allow_connections(settings: Settings) -> None:
    try:
        allow_connections(Limits(connections=settings.max_connections))
    except TooFewDescriptorsError as error:
        raise SettingInvalidError("REPRISE_MAX_CONNECTIONS", str(error)) from None


def server_options(settings: Settings, limits: Limits | None = None) -> dict[str, Any]:
    """Options of uvicorn: it trusts no proxy headers, and neither names itself nor logs."""
    connections = OpenConnections(limits or Limits(connections=settings.max_connections))
    return {
        "host": settings.host,
        "port": settings.port,
        "http": partial(Connection, connections=connections),
        "loop": "uvloop",
        "ws": "none",
        "lifespan": "on",
        "access_log": False,
        "log_config": None,
        "server_header": False,
        "proxy_headers": False,
        "timeout_graceful_shutdown": DRAIN_SECONDS,
        "timeout_worker_healthcheck": START_SECONDS,
    }
