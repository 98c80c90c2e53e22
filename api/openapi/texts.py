"""The texts of the OpenAPI document, and the headers that operations have in common."""

from typing import Any, NamedTuple

from api.http.query_parameters import HIGHEST_POSITION

Json = dict[str, Any]

DESCRIPTION = """The user platform: it owns people's accounts. Every change is recorded once, as an event in
one log, and everything else is computed from the log.

Commands answer with the user's new version (`ETag`) and the log position of the change (`Log-Position`).
Lists wait a short time for what you have written through the same process. To be sure to see a change, whoever made it
and wherever, send its position with a later query (`Min-Log-Position`).
Every refusal is a problem document (RFC 9457) with a stable `code`.

In timelines and past states, `[erased]` takes the place of the personal data of erased people."""

TAGS = {
    "Users": "Register, read, search and change people's accounts.",
    "Email addresses": "Request another address, and confirm that its mail is received.",
    "Consents": "Grant and withdraw consent to a purpose.",
    "Suspension": "Staff suspend and reinstate accounts.",
    "Deactivation": "People deactivate and reactivate their account.",
    "Exports": "Everything that is stored about one person, for that person.",
    "Deletion": "Request deletion after a grace period, or withdraw the request; erase immediately and permanently.",
    "History": "The timeline of an account, and its state at any moment.",
    "Audit": "The events of all accounts, and proof that nobody has changed them.",
    "Statistics": "Counts of accounts, registrations, deletions and consents.",
    "Projections": "The state of read models, rebuilds, and events that could not be folded.",
    "Operations": "Health, readiness and metrics, for operators.",
}

_POSITION: Json = {"type": "string", "pattern": "^[0-9]{1,19}$", "examples": ["42"]}

HEADERS: dict[str, tuple[str, Json]] = {
    "ETag": ("The user's version, quoted.", {"type": "string", "pattern": '^"[1-9][0-9]*"$', "examples": ['"5"']}),
    "Location": ("The path of the new resource.", {"type": "string"}),
    "Log-Position": ("The log position that the answer reflects.", _POSITION),
    "Retry-After": ("Seconds to wait before trying again.", {"type": "string"}),
    "WWW-Authenticate": (
        "The required kind of token, and what is wrong with the one that was sent.",
        {"type": "string"},
    ),
}


class RequestHeader(NamedTuple):
    """A header of requests."""

    name: str
    text: str
    schema: Json


COMMAND_HEADERS = (
    RequestHeader(
        "Idempotency-Key",
        "Makes a command safe to repeat: it is carried out once and answered the same each time. Keys of different "
        "callers are independent. Kept for three days, or as the operator has configured, but at least one day.",
        {"type": "string", "pattern": "^[!-~]{1,255}$"},
    ),
    RequestHeader(
        "Reprise-Reason",
        "Why, for the record: 1 to 500 characters in UTF-8. Do not include personal data.",
        {"type": "string", "minLength": 1, "maxLength": 500},
    ),
    RequestHeader(
        "Correlation-Id",
        "The larger task that the command is part of, for the record.",
        {"type": "string", "format": "uuid"},
    ),
    RequestHeader(
        "traceparent",
        "The trace that the command is part of (W3C Trace Context), for the record. Ignored if malformed.",
        {"type": "string"},
    ),
)
USER_COMMAND_HEADERS = (
    RequestHeader(
        "If-Match",
        "The expected version of the user, quoted. 412 if it is not the current version.",
        {"type": "string", "examples": ['"5"', "*"]},
    ),
)
QUERY_HEADERS = (
    RequestHeader(
        "Min-Log-Position",
        "The answer must reflect the log up to this position; waits for that for a limited time, else 503. Without "
        "this header, lists wait for what the caller has written, and are answered in any case. 0 does not wait.",
        {"type": "integer", "minimum": 0, "maximum": HIGHEST_POSITION},
    ),
)
READING_HEADERS = (
    RequestHeader(
        "Reprise-Purpose",
        "Why the data is read, such as a ticket. Who read whose data is recorded, unless it is their own.",
        {"type": "string", "pattern": "^[0-9A-Za-z][0-9A-Za-z ._:/#-]{0,99}$", "examples": ["TICKET-4711"]},
    ),
)
CONDITIONAL_HEADERS = (
    RequestHeader(
        "If-None-Match",
        "The version that the caller has, quoted. 304 if it is still the current version.",
        {"type": "string", "examples": ['"5"']},
    ),
)

EXAMPLES: dict[str, Json] = {
    "RegisterUser": {
        "email": "ada@example.com",
        "displayName": "Ada Lovelace",
        "country": "SE",
        "locale": "sv-SE",
        "birthDate": "1990-12-10",
    },
    "ProfilePatch": {"displayName": "Ada King", "locale": None},
    "WantedAddress": {"email": "ada.king@example.com"},
    "ConfirmEmail": {"token": "AaIGUQ0hfeOvIBbi8dXAsAAAAAHh…"},
    "ConsentChoice": {"granted": True, "documentVersion": "2026-01"},
    "StatedReason": {"reason": "Reported for spam by 14 people."},
}
