"""The page of a package for people: it loads nothing, and is written in pieces, in constant memory."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

import msgspec

from api.history.person_views import PersonFactView
from api.pages.markup import Markup, element, joined
from api.privacy.person_package.records import FILES, ConsentRecord, PackageView, ReadingRecord
from api.users.views import UserView

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #1a1a1a }
table { border-collapse: collapse; width: 100%; margin-bottom: 2rem }
th, td { border-bottom: 1px solid #ddd; padding: .3rem .6rem .3rem 0; text-align: left; vertical-align: top }
td { overflow-wrap: anywhere }
"""
_INCOMPLETE = (
    "Part of the history of your account cannot be read at the moment, so we cannot say what your account is now. "
    "The history below has everything that can be read, and says what cannot."
)


async def reading_page(
    package: PackageView,
    profile: UserView | None,
    consents: AsyncIterator[ConsentRecord],
    timeline: AsyncIterator[PersonFactView],
    readings: AsyncIterator[ReadingRecord],
) -> AsyncIterator[str]:
    """The whole page."""
    yield _head(package)
    yield element("h2", "Your account")
    if profile is None:
        yield element("p", _INCOMPLETE)
    else:
        yield _table((), [(name, value) for name, value in msgspec.to_builtins(profile).items() if name != "consents"])
    yield element("h2", "Your consents")
    async for piece in _rows(("when", "purpose", "said", "document"), consents, _consent):
        yield piece
    yield element("h2", "The history of your account")
    async for piece in _rows(("when", "what", "by whom", "why", "content"), timeline, _fact):
        yield piece
    yield element("h2", "Who has read your data")
    async for piece in _rows(("when", "what", "by whom", "what for"), readings, _reading):
        yield piece
    yield Markup("</body></html>\n")


def _head(package: PackageView) -> Markup:
    title = "Everything that we have stored about you"
    files = joined(*(element("li", element("a", file, href=file)) for file in FILES))
    head = joined(element("meta", charset="utf-8"), element("title", title), element("style", Markup(_STYLE)))
    told = (
        f"As of {_shown(package.requested_at)}. The same for programs, with the JSON Schema of each file in schemas/:"
    )
    return joined(
        Markup('<!doctype html><html lang="en">'),
        element("head", head),
        Markup("<body>"),
        element("h1", title),
        element("p", told),
        element("ul", files),
    )


def _table(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> Markup:
    return element("table", *([_row(names, "th")] if names else []), *(_row(row) for row in rows))


async def _rows(names: Sequence[str], records: AsyncIterator[Any], cells: Any) -> AsyncIterator[str]:
    yield Markup("<table>")
    yield _row(names, "th")
    nothing = True
    async for record in records:
        nothing = False
        yield _row(cells(record))
    if nothing:
        yield element("tr", element("td", "Nothing.", colspan=str(len(names))))
    yield Markup("</table>")


def _row(values: Sequence[Any], tag: str = "td") -> Markup:
    return element("tr", *(element(tag, _shown(value)) for value in values))


def _consent(record: ConsentRecord) -> tuple[Any, ...]:
    said = "yes" if record.granted else "no"
    return record.occurred_at or record.recorded_at, record.purpose, said, record.document_version


def _fact(record: PersonFactView) -> tuple[Any, ...]:
    content = ", ".join(f"{name}: {_shown(value)}" for name, value in record.data.items())
    if record.unreadable:
        content = "cannot be read"
    return record.recorded_at, record.topic, record.by, record.reason, content


def _reading(record: ReadingRecord) -> tuple[Any, ...]:
    return record.recorded_at, record.reading, record.by, record.purpose


def _shown(value: Any) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case datetime():
            return f"{value:%Y-%m-%d %H:%M:%S} UTC"
        case _:
            return str(value)
