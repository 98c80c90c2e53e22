"""The page behind the link in a mail: it confirms by a button, says what came of it, and tells strangers nothing."""

import asyncio
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import msgspec
import psycopg
import pytest

from api.pages.languages import LANGUAGES, Outcome, Texts, language_for, texts_in
from application.actors import Role
from application.users.queries import Users
from domain.users import EmailRequest
from domain.values import EmailAddress
from infrastructure.composition import open_service
from infrastructure.postgres.database import embedded_as
from infrastructure.postgres.logins import Login
from infrastructure.secrets.keyring import load_keyring
from infrastructure.users.email_tokens import MailedTokens
from tests.support.api import Api, an_address, litestar_app, nothing_recorded, serving
from tests.support.instants import CONFIRM_BY
from tests.support.running import settings_in

PATH = "/confirm-email"
ENGLISH = texts_in("en")
NOBODY = UUID("0190c0de-0000-7000-8000-00000000dead")


class Shown(HTMLParser):
    """A page as somebody sees it."""

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__()
        assert answer.headers["content-type"] == "text/html; charset=utf-8", answer.text
        self.answer = answer
        self.language: str | None = None
        self.form: dict[str, str | None] = {}
        self.fields: dict[str, str | None] = {}
        self.heading = ""
        self.title = ""
        self.tags: list[str] = []
        self._in = ""
        self.feed(answer.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self._in = tag
        self.tags.append(tag)
        assert not any(name.startswith("on") or name == "style" for name in given)
        if tag == "html":
            self.language = given["lang"]
        elif tag == "form":
            self.form = given
        elif tag == "input":
            self.fields[str(given["name"])] = given["value"]

    def handle_data(self, data: str) -> None:
        if self._in == "h1":
            self.heading += data
        elif self._in == "title":
            self.title += data

    def handle_endtag(self, tag: str) -> None:
        self._in = ""


def opened(api: Api, token: str, **headers: str) -> Shown:
    return Shown(api.with_token(None).get(PATH, params={"token": token}, headers=headers))


def pressed(api: Api, token: str, **headers: str) -> Shown:
    """What the button of the page leads to."""
    return Shown(api.with_token(None)("POST", PATH, data={"token": token}, headers=headers))


def mailed(api: Api, user_id: str, request: EmailRequest | None = None) -> str:
    """The token that a user is, or was, mailed."""

    async def asked() -> EmailRequest | None:
        async with open_service(api.settings, embedded_as(Login.API, api.conninfo)) as service:
            user, _ = await service.using(Users).user(UUID(user_id))
            return user.email_request if user else None

    request = request or asyncio.run(asked())
    assert request is not None
    return MailedTokens(load_keyring(api.settings.keys).derive("mailed tokens")).issue(UUID(user_id), request)


def is_verified(api: Api, user_id: str) -> bool:
    return bool(api.admin.get(f"/v1/users/{user_id}").json()["emailVerified"])


def test_the_link_in_the_mail_leads_to_a_page_with_a_button_that_confirms(api: Api) -> None:
    email = an_address()
    user_id = api.user_id(email)
    token = api.mailed_token(email)

    question = opened(api, token)
    address = httpx.URL(api.url).join(PATH).join(str(question.form["action"]))
    answer = Shown(httpx.request(str(question.form["method"]), address, data=question.fields))

    assert (question.answer.status_code, question.heading, question.title) == (200, ENGLISH.title, ENGLISH.title)
    assert question.fields == {"token": token}
    assert "button" in question.tags
    assert (answer.answer.status_code, answer.heading) == (200, ENGLISH.outcomes[Outcome.CONFIRMED].title)
    assert is_verified(api, user_id)


def test_whoever_only_follows_the_link_changes_nothing(api: Api) -> None:
    user_id = api.user_id()
    token, stranger = mailed(api, user_id), api.with_token(None)

    with nothing_recorded(api):
        for method in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH"):
            stranger(method, PATH, params={"token": token})
        stranger("POST", PATH, params={"token": token}, headers={"Content-Type": "application/x-www-form-urlencoded"})
        stranger.post(PATH, {"token": token})

    assert not is_verified(api, user_id)
    assert stranger("HEAD", PATH, params={"token": token}).content == b""


def test_links_that_a_mail_program_has_decorated_work_as_well(api: Api) -> None:
    token = mailed(api, api.user_id())

    answer = api.with_token(None).get(f"{PATH}?utm_source=mail&token={token}&x=%FF&fbclid=1")

    assert Shown(answer).fields == {"token": token}


@pytest.mark.parametrize(
    "query", ["", "?token=", "?token=a%22b", "?token=%3Cscript%3E", "?token=a&token=b", f"?token={'a' * 101}", "?tok=a"]
)
def test_a_link_that_is_not_whole_is_told_so(api: Api, query: str) -> None:
    shown = Shown(api.with_token(None).get(f"{PATH}{query}"))

    assert (shown.answer.status_code, shown.form) == (404, {})
    assert shown.heading == ENGLISH.outcomes[Outcome.UNKNOWN].title


@pytest.mark.parametrize(
    "content", [b"", b"token=", b"token=a&token=b", b"tok=a", b"token=%00", b"token=%FF", b"token=\xff", b"{}"]
)
def test_a_form_that_is_not_that_of_the_page_confirms_nothing(api: Api, content: bytes) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}

    with nothing_recorded(api):
        shown = Shown(api.with_token(None)("POST", PATH, content=content, headers=headers))

    assert (shown.answer.status_code, shown.heading) == (404, ENGLISH.outcomes[Outcome.UNKNOWN].title)


def used(api: Api, user_id: str) -> str:
    token = mailed(api, user_id)
    pressed(api, token)
    return token


def replaced(api: Api, user_id: str) -> str:
    token = mailed(api, user_id)
    api.admin.post(f"/v1/users/{user_id}/email-change", {"email": an_address()})
    return token


def suspended(api: Api, user_id: str) -> str:
    api.admin.post(f"/v1/users/{user_id}/suspension", {"reason": "Spam"})
    return mailed(api, user_id)


def deactivated(api: Api, user_id: str) -> str:
    api.admin.post(f"/v1/users/{user_id}/deactivation")
    return mailed(api, user_id)


def waiting_for_deletion(api: Api, user_id: str) -> str:
    api.admin.post(f"/v1/users/{user_id}/deletion")
    return mailed(api, user_id)


def erased(api: Api, user_id: str) -> str:
    token = mailed(api, user_id)
    api.admin.post(f"/v1/users/{user_id}/erasure", {"reason": "Case 1"})
    return token


def made_up(api: Api, user_id: str) -> str:
    """What a token for this user looks like, made without the key."""
    return MailedTokens(b"x" * 32).issue(UUID(user_id), EmailRequest(EmailAddress("a@example.com"), CONFIRM_BY, 1))


@pytest.mark.parametrize(
    ("link", "status", "outcome"),
    [
        (used, 200, Outcome.ALREADY_CONFIRMED),
        (replaced, 410, Outcome.REPLACED),
        (suspended, 409, Outcome.CLOSED),
        (deactivated, 409, Outcome.CLOSED),
        (waiting_for_deletion, 409, Outcome.CLOSED),
        (erased, 404, Outcome.UNKNOWN),
        (made_up, 404, Outcome.UNKNOWN),
    ],
    ids=lambda value: value.__name__ if callable(value) else str(value),
)
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_says_what_came_of_it(
    api: Api, link: Callable[[Api, str], str], status: int, outcome: Outcome, language: str
) -> None:
    token = link(api, api.user_id())

    with nothing_recorded(api):
        shown = pressed(api, token, **{"Accept-Language": language})

    told = texts_in(language).outcomes[outcome]
    assert (shown.answer.status_code, shown.heading, shown.language) == (status, told.title, language)
    assert shown.answer.headers["content-language"] == language
    assert shown.answer.headers["vary"] == "Accept-Language"
    assert told.text in shown.answer.text
    assert token not in shown.answer.text


def test_a_link_that_has_run_out_is_told_as_such(database: str, home: Path) -> None:
    settings = settings_in(home, REPRISE_CONFIRM_WITHIN_HOURS="0")
    with serving(settings, database) as api:
        shown = pressed(api, mailed(api, api.user_id()))

    assert (shown.answer.status_code, shown.heading) == (410, ENGLISH.outcomes[Outcome.EXPIRED].title)


def test_an_address_that_another_account_has_by_now_is_told_as_such(database: str, home: Path) -> None:
    settings = settings_in(home, REPRISE_CONFIRM_WITHIN_HOURS="1")
    with serving(settings, database) as api:
        first, second, email = api.user_id(), api.user_id(), an_address()
        person = api.as_(Role.USER, first)
        api.admin.post(f"/v1/users/{second}/email-change", {"email": email})
        person.post(f"/v1/users/{first}/email-change", {"email": email})

        shown = pressed(api, mailed(api, first))

    assert (shown.answer.status_code, shown.heading) == (409, ENGLISH.outcomes[Outcome.TAKEN].title)


def test_strangers_learn_nothing_of_who_exists(api: Api) -> None:
    ids = {"somebody": api.user_id(), "suspended": api.user_id(), "erased": api.user_id(), "nobody": str(NOBODY)}
    api.admin.post(f"/v1/users/{ids['suspended']}/suspension", {"reason": "Spam"})
    api.admin.post(f"/v1/users/{ids['erased']}/erasure", {"reason": "Case 1"})

    with nothing_recorded(api):
        answers = [pressed(api, made_up(api, user_id)).answer for user_id in ids.values()]

    assert len({answer.content for answer in answers}) == 1
    assert len({str(sorted((k, v) for k, v in a.headers.items() if k != "date")) for a in answers}) == 1


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_page_may_load_nothing_run_nothing_and_be_kept_nowhere(api: Api, method: str) -> None:
    token = mailed(api, api.user_id())
    shown = opened(api, token) if method == "GET" else pressed(api, token)
    headers = shown.answer.headers

    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy == {
        "default-src": "'none'",
        "style-src": policy["style-src"],
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
    assert re.fullmatch(r"'sha256-[A-Za-z0-9+/]{43}='", policy["style-src"])
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert {"script", "link", "img", "iframe"}.isdisjoint(shown.tags)
    assert not re.search(r"(?:https?:)?//", shown.answer.text)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"content": b"token=x", "headers": {"Content-Type": "text/plain"}}, 415),
        ({"content": b"{}", "headers": {"Content-Type": "application/json"}}, 415),
        ({"data": {"token": "x" * 70_000}}, 413),
        ({"data": {"token": "x"}, "headers": {"If-Match": '"1"'}}, 400),
    ],
)
def test_what_is_refused_before_it_is_read_is_a_page_too(api: Api, request_: dict[str, Any], status: int) -> None:
    shown = Shown(api.with_token(None)("POST", PATH, **request_))

    assert (shown.answer.status_code, shown.heading) == (status, ENGLISH.outcomes[Outcome.REFUSED].title)


async def test_a_database_that_is_away_is_told_as_a_page_that_says_to_try_again() -> None:
    app: Any = litestar_app()
    app.state.service = ServiceWithoutDatabase()

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api.example") as client:
        answer = await client.post(PATH, data={"token": "x"}, headers={"Accept-Language": "sv"})

    shown = Shown(answer)
    assert (answer.status_code, shown.heading) == (503, texts_in("sv").outcomes[Outcome.UNAVAILABLE].title)
    assert answer.headers["retry-after"] == "1"


class ServiceWithoutDatabase:
    """Refuses every command as a database that is gone does."""

    @property
    def commands(self) -> Any:
        raise psycopg.OperationalError


def test_no_token_comes_into_a_log_line(own_api: Api, capfd: pytest.CaptureFixture[str]) -> None:
    token = mailed(own_api, own_api.user_id())

    opened(own_api, token)
    pressed(own_api, token)
    pressed(own_api, token)
    metrics = own_api.with_token(None).get("/metrics").text
    logged = capfd.readouterr()

    assert "route=/confirm-email" in logged.out
    assert token not in logged.out + logged.err + metrics


def test_using_the_button_twice_at_once_confirms_once_and_tells_both(api: Api) -> None:
    token = mailed(api, api.user_id())
    before = api.changes()

    headings = {pressed(api, token).heading for _ in range(3)}

    assert headings == {
        ENGLISH.outcomes[Outcome.CONFIRMED].title,
        ENGLISH.outcomes[Outcome.ALREADY_CONFIRMED].title,
    }
    assert len(api.changes()) == len(before) + 1


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_says_everything_in_words_of_its_own(language: str) -> None:
    texts = texts_in(language)
    others = [texts_in(other) for other in LANGUAGES if other != language]

    assert set(texts.outcomes) == set(Outcome)
    said = sentences(texts)
    assert all(said)
    assert len(set(said)) >= len(said) - 2
    assert set(said).isdisjoint(sentence for other in others for sentence in sentences(other))


def sentences(texts: Texts) -> list[str]:
    told = [part for outcome in texts.outcomes.values() for part in msgspec.structs.astuple(outcome)]
    return [texts.title, texts.question, texts.otherwise, texts.button, *told]


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        (None, "en"),
        (b"", "en"),
        (b"sv", "sv"),
        (b"sv-FI", "sv"),
        (b"SV-se, en;q=0.9", "sv"),
        (b"fr, de;q=0.4, ja;q=0.8", "ja"),
        (b"zh-Hant-TW, ja-JP;q=0.3", "ja"),
        (b"fr", "en"),
        (b"*", "en"),
        (b"de;q=0, es;q=0.1", "es"),
        (b"de;q=0", "en"),
        (b",,es,", "es"),
        (b"svenska", "en"),
        (b"\xff, de", "de"),
    ],
)
def test_the_language_that_is_wanted_most_is_spoken(accepted: bytes | None, language: str) -> None:
    assert language_for(accepted) == language
