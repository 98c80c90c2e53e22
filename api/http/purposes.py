"""What personal data is read for: which routes ask, and how callers say it (Reprise-Purpose)."""

from api.http.problems import Place, parsed
from api.http.requests import ApiRequest
from domain.values import AccessPurpose, parse_access_purpose

READS = "reads"
"""The option that declares that a route answers with personal data."""


def stated_purpose(request: ApiRequest) -> AccessPurpose | None:
    """Why the caller reads the data (Reprise-Purpose). Raises `RefusedValue`."""
    value = request.header(b"reprise-purpose")
    if value is None:
        return None
    return parsed(parse_access_purpose, value.decode("latin-1"), Place("header", "Reprise-Purpose"))
