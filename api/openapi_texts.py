"""What the OpenAPI document says in words, and the headers that routes have in common."""

from typing import Any, NamedTuple

from api.queries import HIGHEST_POSITION

Json = dict[str, Any]

DESCRIPTION = """The user platform. Every fact about an account is recorded once, in one log, and everything else is
that log played again.

Commands answer with the user's new version (`ETag`) and the position in the log that shows it (`Log-Position`).
Lists wait for a while for what you have written through the same process. Send the position with a later query
(`Min-Log-Position`) to be sure to see it, whoever has written it and wherever.
Every refusal is a problem document (RFC 9457) whose `code` says which.

`[erased]` stands wherever personal data of an erased person stood, in timelines and past states."""

TAGS = {
    "Users": "Register, read, search and change people's accounts.",
    "Email addresses": "Another address, and proof that its mail is received.",
    "Consents": "What people say about each purpose.",
    "Suspension": "Staff close an account to its owner, and open it again.",
    "Deactivation": "People put their account to rest, and take it up again.",
    "Exports": "All that is held about one person, to be handed to them.",
    "Deletion": "People ask to be deleted, and may change their mind for a while; erasure is at once and for good.",
    "History": "What was done to an account, and what it was at any moment.",
    "Audit": "What was done to all accounts.",
    "Statistics": "How many accounts are active, come and go, and agree to what.",
    "Projections": "Where the read models stand, rebuilding them, and events that they could not fold.",
    "Operations": "For whoever runs the service.",
}

_POSITION: Json = {"type": "string", "pattern": "^[0-9]{1,19}$", "examples": ["42"]}

HEADERS: dict[str, tuple[str, Json]] = {
    "ETag": ("The user's version, quoted.", {"type": "string", "pattern": '^"[1-9][0-9]*"$', "examples": ['"5"']}),
    "Location": ("Where the new resource is.", {"type": "string"}),
    "Log-Position": ("The position of the log that the answer reflects.", _POSITION),
    "Retry-After": ("Seconds to wait before another try.", {"type": "string"}),
    "WWW-Authenticate": ("What kind of token is asked for, and what is wrong with the one sent.", {"type": "string"}),
}


class RequestHeader(NamedTuple):
    """A header that requests may have."""

    name: str
    text: str
    schema: Json


COMMAND_HEADERS = (
    RequestHeader(
        "Idempotency-Key",
        "Makes a repeated command the same command: carried out once, answered the same. Yours alone, and "
        "kept for three days, unless whoever runs the service has chosen another time of at least one.",
        {"type": "string", "pattern": "^[!-~]{1,255}$"},
    ),
    RequestHeader(
        "Reprise-Reason",
        "Why it is done, for the record: 1 to 500 characters in UTF-8. No personal data.",
        {"type": "string", "minLength": 1, "maxLength": 500},
    ),
    RequestHeader(
        "Correlation-Id", "What the command is part of, for the record.", {"type": "string", "format": "uuid"}
    ),
    RequestHeader(
        "traceparent",
        "The trace the command is part of (W3C Trace Context), for the record. One that is malformed does not count.",
        {"type": "string"},
    ),
)
USER_COMMAND_HEADERS = (
    RequestHeader(
        "If-Match",
        "The version the command was decided on, quoted; 412 if it is not the current one.",
        {"type": "string", "examples": ['"5"', "*"]},
    ),
)
QUERY_HEADERS = (
    RequestHeader(
        "Min-Log-Position",
        "The answer must reflect the log up to here; waits for that, for a bounded time. Without it, lists wait for "
        "what their sender has written, and are answered in any case. 0 waits for nothing.",
        {"type": "integer", "minimum": 0, "maximum": HIGHEST_POSITION},
    ),
)
READING_HEADERS = (
    RequestHeader(
        "Reprise-Purpose",
        "What the data is read for, such as a ticket. It goes on record who read whose data, unless it is their own.",
        {"type": "string", "pattern": "^[0-9A-Za-z][0-9A-Za-z ._:/#-]{0,99}$", "examples": ["TICKET-4711"]},
    ),
)
CONDITIONAL_HEADERS = (
    RequestHeader(
        "If-None-Match",
        "The version the caller has, quoted; 304 if it is still the current one.",
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
