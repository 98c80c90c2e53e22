"""Puts the HTTP API together and serves it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import psycopg
import structlog
from litestar import Litestar
from litestar.types import ASGIApp

from api.admission import admit, check_declarations
from api.controllers import route_handlers
from api.metrics import Metrics
from api.observation import HeadAnswered, Observed
from api.refusals import exception_handlers
from api.requests import ApiRequest
from application.access import AccessTokens
from application.service import Service

ServiceOpener = Callable[[], AbstractAsyncContextManager[Service]]
DATABASE_UNAVAILABLE: tuple[type[Exception], ...] = (psycopg.OperationalError, psycopg.InterfaceError, OSError)


def create_litestar(open_service: ServiceOpener, tokens: AccessTokens, metrics: Metrics) -> Litestar:
    """The routes, without what stands around them. Raises `UndeclaredPermissionError`."""

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        async with open_service() as service:
            app.state.service = service
            yield

    app = Litestar(
        route_handlers=route_handlers(),
        lifespan=[lifespan],
        before_request=admit,
        exception_handlers=exception_handlers(DATABASE_UNAVAILABLE),
        request_class=ApiRequest,
        openapi_config=None,
        logging_config=None,
    )
    app.state.tokens = tokens
    app.state.metrics = metrics
    check_declarations(app.routes)
    return app


def create_app(open_service: ServiceOpener, tokens: AccessTokens) -> ASGIApp:
    """The whole API, as an ASGI application."""
    metrics = Metrics()
    app = create_litestar(open_service, tokens, metrics)
    return Observed(HeadAnswered(app), metrics, structlog.get_logger("api"))
