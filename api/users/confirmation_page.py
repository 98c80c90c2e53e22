"""The page behind a mailed link: a button that confirms an address, then the outcome."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from types import MappingProxyType

from api.http.answers import Document
from api.http.problems import Problem
from api.pages.languages import Outcome, language_for, texts_in
from api.pages.layout import PAGE_HEADERS, page
from api.pages.markup import Markup, element

NO_HEADERS: Mapping[str, str] = MappingProxyType({})

_STATUS = {
    Outcome.CONFIRMED: 200,
    Outcome.ALREADY_CONFIRMED: 200,
    Outcome.EXPIRED: 410,
    Outcome.REPLACED: 410,
    Outcome.TAKEN: 409,
    Outcome.CLOSED: 409,
    Outcome.UNKNOWN: 404,
}


def question_page(token: str, accept_language: bytes | None) -> Document:
    """Asks whether the reader wants to use the address; a button confirms it."""
    language = language_for(accept_language)
    texts = texts_in(language)
    # Relative, so that a proxy may serve it below a prefix; without the query, so that no log gets to see the token.
    form = element(
        "form",
        element("input", type="hidden", name="token", value=token),
        element("button", texts.button, type="submit"),
        method="post",
        action="confirm-email",
    )
    content = (element("p", texts.question), form, element("p", texts.otherwise))
    return _document(language, texts.title, content)


def outcome_page(outcome: Outcome, accept_language: bytes | None) -> Document:
    """Shows the outcome."""
    return _told(outcome, accept_language, _STATUS[outcome])


def refusal_page(problem: Problem, headers: Mapping[str, str], accept_language: bytes | None) -> Document:
    """Says that the request failed, for a reason that has nothing to do with the link."""
    is_ours = problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    outcome = Outcome.UNAVAILABLE if is_ours else Outcome.REFUSED
    return _told(outcome, accept_language, problem.status, headers)


def _told(
    outcome: Outcome, accept_language: bytes | None, status: int, headers: Mapping[str, str] = NO_HEADERS
) -> Document:
    language = language_for(accept_language)
    told = texts_in(language).outcomes[outcome]
    return _document(language, told.title, (element("p", told.text),), status, headers)


def _document(
    language: str, title: str, content: Iterable[Markup], status: int = 200, headers: Mapping[str, str] = NO_HEADERS
) -> Document:
    described = [*PAGE_HEADERS, (b"content-language", language.encode()), (b"vary", b"Accept-Language")]
    described += [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    return Document(page(language, title, *content), "text/html; charset=utf-8", described, status=status)
