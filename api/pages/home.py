"""What is here, for anybody who opens the root of the service."""

from typing import NamedTuple

import msgspec

from api.pages.layout import page
from api.pages.markup import element
from application.release import Release


class Link(NamedTuple):
    """Something that is here."""

    name: str
    address: str
    title: str
    text: str


LINKS = (
    Link("documentation", "/docs", "API reference", "Read about each request, and try it."),
    Link("openapi", "/schema/openapi.json", "OpenAPI document", "The same, for programs (OpenAPI 3.1)."),
    Link("health", "/healthz", "Health", "Whether this process is alive, with its version."),
    Link("readiness", "/readyz", "Readiness", "Whether everything that the service depends on works."),
    Link("metrics", "/metrics", "Metrics", "Metrics for Prometheus."),
    Link("verifierKeys", "/v1/audit/keys", "Verifier keys", "The public keys to verify checkpoints of the log with."),
)


class Home(msgspec.Struct, frozen=True):
    """The service, and where its parts are."""

    name: str
    version: str
    build: str | None
    links: dict[str, str]


def home(release: Release) -> Home:
    """What is here, for programs."""
    return Home("Reprise", release.version, release.build, {link.name: link.address for link in LINKS})


def home_page(release: Release) -> bytes:
    """What is here, for people."""
    links = [
        part
        for link in LINKS
        for part in (element("dt", element("a", link.title, href=link.address)), element("dd", link.text))
    ]
    introduction = (
        f"This is a user platform, version {release}: it owns people's accounts, and other services use it over "
        "HTTP. There is nothing to sign in to here."
    )
    return page("en", "Reprise", element("p", introduction), element("dl", *links))
