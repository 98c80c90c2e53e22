"""Logs and counts each request: one line each, without content, query strings, ids and tokens.

Refused callers are named, so that operators can see who tries what: for a 403 the actor of the token, which was
verified; for a 401 only what was wrong with the token, because nothing in it is proven.
"""

import time
from collections.abc import Awaitable
from http import HTTPStatus
from typing import Any

from litestar.types import ASGIApp, Message, Receive, Send

from api.http.answers import HEAD
from api.http.commands import trace_id
from api.http.metrics import METHODS, OTHER, Metrics
from application.actors import Actor

_ACTOR = "reprise.actor"
_TOKEN_FAULT = "reprise.token_fault"  # noqa: S105 - the name of a place


def note_actor(scope: Any, actor: Actor) -> None:
    """Whose token was verified."""
    scope[_ACTOR] = actor


def noted_actor(scope: Any) -> Actor | None:
    """Who that was; None if no token was needed."""
    actor: Actor | None = scope.get(_ACTOR)
    return actor


def note_token_fault(scope: Any, fault: str) -> None:
    """What was wrong with the token of a request, as a code."""
    scope[_TOKEN_FAULT] = fault


class Observed:
    """An ASGI application whose requests are logged and counted."""

    def __init__(self, app: ASGIApp, metrics: Metrics, log: Any) -> None:
        self._app = app
        self._metrics = metrics
        self._log = log

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Pass the request on and look at what comes back."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        sent: Any = None

        async def observed_send(message: Message) -> None:
            nonlocal sent
            if message["type"] == "http.response.start":
                sent = message
            await send(message)

        started = time.perf_counter()
        self._metrics.in_flight.inc()
        try:
            await self._app(scope, receive, observed_send)
        finally:
            self._metrics.in_flight.dec()
            self._record(scope, sent, time.perf_counter() - started)

    def _record(self, scope: Any, sent: Any, seconds: float) -> None:
        route, method = scope.get("path_template"), scope["method"]
        status = sent["status"] if sent else 500
        self._metrics.count(route, method, status, seconds)
        position = next((value for name, value in sent["headers"] if name == b"log-position"), None) if sent else None
        trace = trace_id(scope)
        actor = noted_actor(scope)
        refused = actor if status == HTTPStatus.FORBIDDEN else None
        self._log.info(
            "request",
            route=route,
            method=method if method in METHODS else OTHER,
            status=status,
            ms=round(seconds * 1000, 2),
            position=int(position) if position else None,
            trace_id=trace.hex() if trace else None,
            client=actor.client if actor else None,
            actor=str(refused) if refused else None,
            on_behalf_of=refused.on_behalf_of if refused else None,
            token_fault=scope.get(_TOKEN_FAULT),
        )


class HeadAnswered:
    """An ASGI application that answers HEAD as it would GET, without the content (RFC 9110 section 9.3.2)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def __call__(self, scope: Any, receive: Receive, send: Send) -> Awaitable[None]:
        """Ask for GET and keep the content back."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            return self._app(scope, receive, send)

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        as_get: Any = {**scope, "method": "GET", HEAD: True}
        return self._app(as_get, receive, send_head)
