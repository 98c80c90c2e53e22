"""Documentation: the API described for programs and for people. The page loads nothing from anywhere else."""

from importlib.resources import files

import msgspec
from litestar import Controller, get

from api.http.answers import Document
from api.http.requests import ApiRequest
from api.openapi.document import openapi_document
from api.openapi.reference.page import reference_page

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PAGE_HEADERS = [
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
]


class DocumentationController(Controller):
    """The API, described."""

    path = "/"
    include_in_schema = False

    @get("/schema/openapi.json", public=True)
    async def read_openapi_document(self, request: ApiRequest) -> Document:
        """The API as an OpenAPI 3.1 document."""
        state = request.app.state
        if "openapi_document" not in state:
            state.openapi_document = msgspec.json.encode(openapi_document(request.app.routes))
        return Document(state.openapi_document, "application/json", public=True)

    @get("/docs", public=True)
    async def read_reference(self, request: ApiRequest) -> Document:
        """The API as a page to read and to try."""
        state = request.app.state
        if "reference_page" not in state:
            state.reference_page = reference_page(openapi_document(request.app.routes)).encode()
        return Document(state.reference_page, "text/html; charset=utf-8", PAGE_HEADERS, public=True)

    @get("/docs/reference.css", public=True)
    async def read_reference_style(self) -> Document:
        """How the page looks."""
        return Document(_file("reference.css"), "text/css; charset=utf-8", public=True)

    @get("/docs/reference.js", public=True)
    async def read_reference_script(self) -> Document:
        """What the page does."""
        return Document(_file("reference.js"), "text/javascript; charset=utf-8", public=True)

    @get("/docs/reference.svg", public=True)
    async def read_reference_icon(self) -> Document:
        """The page's icon."""
        return Document(_file("reference.svg"), "image/svg+xml", public=True)


def _file(name: str) -> bytes:
    return files("api.openapi.reference").joinpath(name).read_bytes()
