"""What values of header fields have in common: lists and parameters (RFC 9110 section 5.6)."""

import re

# Every pattern can go on in one way only, so none takes longer than its text is long. Possessive quantifiers would say
# the same, but Python 3.11.0 to 3.11.4 gets them wrong (bpo-106052).
TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
QUOTED = rb'"(?:[^"\\]|\\.)*"'
PARAMETERS = rb"(?:[ \t]*;(?:[ \t]*" + TOKEN + rb"=(?:" + TOKEN + rb"|" + QUOTED + rb"))?)*"
"""Zero or more parameters, as a pattern; section 5.6.6 lets one be left out between two semicolons."""

# A string whose closing quote is missing goes on to the end of the value.
_MEMBER = re.compile(rb'(?:[^",]|"(?:[^"\\]|\\.?)*"?)+', re.DOTALL)
_PARAMETER = re.compile(rb";[ \t]*(" + TOKEN + rb")=(" + TOKEN + rb"|" + QUOTED + rb")", re.DOTALL)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)


def list_members(value: bytes) -> list[bytes]:
    """The members of a list (section 5.6.1), without empty ones; a comma between quotes separates nothing."""
    found = _MEMBER.findall(value) if b'"' in value else value.split(b",")
    return [member for piece in found if (member := piece.strip(b" \t"))]


def parameters_in(text: bytes) -> list[tuple[bytes, bytes]]:
    """Names, in lower case, and values, without quotes, of parameters that have the form of `PARAMETERS`."""
    return [(name.lower(), _unquoted(value)) for name, value in _PARAMETER.findall(text)]


def _unquoted(value: bytes) -> bytes:
    return _ESCAPED.sub(rb"\1", value[1:-1]) if value.startswith(b'"') else value
