"""The API as its clients meet it: on a real socket, a real database, with tokens in each role."""

import re
import socket
import threading
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from datetime import timedelta
from email import message_from_bytes
from email.policy import SMTPUTF8
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import psycopg
import uvicorn
from litestar import Litestar

from api.connections.limits import Limits
from api.http.metrics import Metrics
from api.main import app_of, create_litestar, server_options
from api.openapi.document import openapi_document
from application.access_tokens import Access, KeysFault, TokenRefusedError
from application.actors import Role
from application.ports import Service
from infrastructure.postgres.database import embedded_as
from infrastructure.postgres.logins import Login
from infrastructure.release import this_release
from infrastructure.settings import Settings
from infrastructure.tokens.issuer import TokenIssuer
from tests.support.waiting import PATIENCE_SECONDS, eventually

JSON_PROBLEM = "application/problem+json"
HOUR = timedelta(hours=1)


class Caller:
    """Somebody with a token, or without one."""

    def __init__(self, http: httpx.Client, token: str | None) -> None:
        self._http = http
        self.token = token

    def __call__(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Send a request; `headers` come on top of the token."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        headers |= request.pop("headers", {})
        return self._http.request(method, path, headers=headers, **request)

    def get(self, path: str, **request: Any) -> httpx.Response:
        return self("GET", path, **request)

    def post(self, path: str, json: Any = None, **request: Any) -> httpx.Response:
        return self("POST", path, json=json, **request)

    def put(self, path: str, json: Any = None, **request: Any) -> httpx.Response:
        return self("PUT", path, json=json, **request)

    def patch(self, path: str, json: Any = None, **request: Any) -> httpx.Response:
        return self("PATCH", path, json=json, **request)

    def delete(self, path: str, **request: Any) -> httpx.Response:
        return self("DELETE", path, **request)


class Api:
    """A running API."""

    def __init__(self, url: str, settings: Settings, conninfo: str, http: httpx.Client) -> None:
        self.url = url
        self.settings = settings
        self.conninfo = conninfo
        self.issuer = TokenIssuer(settings)
        self._http = http
        self._mails: dict[Path, tuple[str, str]] = {}
        """To whom, and the text, of those that were read."""

    def as_(self, role: Role, subject: str = "somebody", client_id: str | None = None) -> Caller:
        """A caller in a role; for the role user, the subject is the id of their account."""
        return Caller(self._http, self.issuer.issue(role, subject, HOUR, client_id))

    def with_token(self, token: str | None) -> Caller:
        """A caller with this token."""
        return Caller(self._http, token)

    @property
    def admin(self) -> Caller:
        """A caller who may do everything."""
        return self.as_(Role.ADMIN, "root")

    def register(self, email: str | None = None, **facts: Any) -> httpx.Response:
        """Register somebody; who, does not matter."""
        registered = self.admin.post("/v1/users", a_person(email, **facts))
        assert registered.status_code == 201, registered.text
        return registered

    def user_id(self, email: str | None = None, **facts: Any) -> str:
        """The id of somebody who was just registered."""
        user_id: str = self.register(email, **facts).json()["userId"]
        return user_id

    def head(self) -> int:
        """The last position of the log, when all that was read so far is on record."""
        eventually(lambda: "access_records_waiting 0.0" in self._http.get("/metrics").text, "access records")
        return self.last_change()

    def last_change(self) -> int:
        """The last position of the log at the moment."""
        return max(self._positions('"position" = (SELECT "position" FROM log.head)'), default=0)

    def changes(self, after: int = 0) -> list[int]:
        """The positions of what was recorded after a position, but for access records: those come by themselves."""
        return self._positions(f"position > {after} AND NOT starts_with(topic, 'access_record.')")

    def _positions(self, condition: Any) -> list[int]:
        query = f"SELECT position FROM log.event WHERE {condition} ORDER BY position"  # noqa: S608 - ours
        with suppress(psycopg.OperationalError):  # A test has ended all sessions.
            return [position for (position,) in self._owner.execute(query)]
        self.close()
        return [position for (position,) in self._owner.execute(query)]

    @cached_property
    def _owner(self) -> psycopg.Connection[Any]:
        """A session of the database's owner; what is asked in it is asked hundreds of times."""
        return psycopg.connect(self.conninfo, autocommit=True)

    def close(self) -> None:
        """End the session, if there is one."""
        if "_owner" in vars(self):
            self._owner.close()
            del self._owner

    def mailed_token(self, email: str) -> str:
        """The token in the last mail to an address; needs a worker."""
        # It may have to wait for the mails of all other tests.
        eventually(lambda: self._mails_to(email), f"a mail to {email}")
        token = re.search(r"token=([\w-]+)", self._mails_to(email)[-1])
        assert token is not None
        return token.group(1)

    def _mails_to(self, email: str) -> list[str]:
        for path in set((self.settings.home / "outbox").glob("*.eml")) - set(self._mails):
            with suppress(FileNotFoundError):  # Those to whoever is erased meanwhile go.
                mail = message_from_bytes(path.read_bytes(), policy=SMTPUTF8)
                self._mails[path] = (str(mail["To"]), mail.get_content())
        return [text for _, (recipient, text) in sorted(self._mails.items()) if recipient == email]


def a_person(email: str | None = None, **facts: Any) -> dict[str, Any]:
    """What it takes to register somebody new."""
    return {"email": email or an_address(), "displayName": "Ada Lovelace", "country": "SE", **facts}


def an_address() -> str:
    """An address nobody has."""
    return f"{uuid.uuid4().hex}@example.com"


@contextmanager
def serving(settings: Settings, conninfo: str, limits: Limits | None = None) -> Iterator[Api]:
    """The API on a migrated database, on a port of its own."""
    options = server_options(settings, limits) | {"host": "127.0.0.1", "port": 0}
    server = uvicorn.Server(uvicorn.Config(app_of(settings, embedded_as(Login.API, conninfo)), **options))
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        thread = threading.Thread(target=server.run, args=([listening],), name="api")
        thread.start()
        try:
            eventually(lambda: server.started or not thread.is_alive(), "the API to start")
            assert server.started, "The API did not start; the log says why."
            with (
                httpx.Client(base_url=url, timeout=PATIENCE_SECONDS) as http,
                closing(Api(url, settings, conninfo, http)) as api,
            ):
                yield api
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def nothing_recorded(api: Api) -> Iterator[None]:
    """Nothing has changed afterwards; that somebody has read may have gone on record."""
    before = api.last_change()
    yield
    assert api.changes(before) == []


def refusal(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem document of a refusal, which must be a proper one."""
    assert response.headers["content-type"] == JSON_PROBLEM, (response.status_code, response.text)
    problem: dict[str, Any] = response.json()
    assert (response.status_code, problem["code"]) == (status, code), problem
    assert problem["status"] == status
    assert problem["type"] == f"urn:reprise:problem:{code}"
    assert problem["title"]
    assert problem["detail"]
    return problem


def litestar_app() -> Litestar:
    """The routes, without anything running."""

    @asynccontextmanager
    async def never_opened() -> AsyncIterator[Service]:
        raise AssertionError
        yield  # type: ignore[unreachable] # makes it a generator

    return create_litestar(never_opened, NoTokens(), Metrics(), this_release())


def described_api() -> dict[str, Any]:
    """The OpenAPI document, without anything running."""
    return openapi_document(litestar_app().routes)


class NoTokens:
    """Believes nobody."""

    def verify(self, _: str) -> Access:
        raise TokenRefusedError

    def fault(self) -> KeysFault | None:
        return None
