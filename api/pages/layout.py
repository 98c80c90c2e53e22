"""What pages have in common: complete in themselves, so that they work below any prefix, and allowed to do nothing."""

import hashlib
from base64 import b64encode
from importlib.resources import files

from api.pages.markup import Markup, element

STYLE = files("api.pages").joinpath("page.css").read_text(encoding="utf-8")
_STYLE_DIGEST = b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_DIGEST}'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
PAGE_HEADERS = [
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"x-robots-tag", b"noindex"),
]


def page(language: str, title: str, *content: Markup | None) -> bytes:
    """A whole page, in UTF-8; its heading is its title."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", Markup(STYLE)),
    )
    body = element("body", element("main", element("h1", title), *content))
    return f"<!doctype html>\n{element('html', head, body, lang=language)}\n".encode()
