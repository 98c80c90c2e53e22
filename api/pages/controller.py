"""The root of the service: what is here, for people and for programs."""

import msgspec
from litestar import Controller, get

from api.http.answers import Document
from api.http.content_negotiation import HTML, JSON, preferred
from api.http.problems import Kind, Refused
from api.http.requests import ApiRequest
from api.pages.home import home, home_page
from api.pages.layout import PAGE_HEADERS

_BY_WISH = [(b"vary", b"Accept")]


class HomeController(Controller):
    """What is here."""

    path = "/"
    include_in_schema = False

    @get(public=True)
    async def read_home(self, request: ApiRequest) -> Document:
        """What is here: a page for people, JSON for programs."""
        release = request.app.state.release
        wanted = preferred(request.header(b"accept"), (JSON, HTML))
        if wanted is None:
            raise Refused(Kind.NOT_ACCEPTABLE, detail="The answer is only available as application/json and text/html.")
        if wanted == HTML:
            headers = [*PAGE_HEADERS, *_BY_WISH]
            return Document(home_page(release), "text/html; charset=utf-8", headers, public=True)
        return Document(msgspec.json.encode(home(release)), "application/json", _BY_WISH, public=True)
