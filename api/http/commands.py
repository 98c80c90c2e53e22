"""Runs commands for requests: with actor, reason, expected version and idempotency key."""

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from api.http.preconditions import expected_version
from api.http.problems import Place, parsed
from api.http.requests import ApiRequest, header_refused
from application.actors import Actor, Metadata
from application.commands import CommandContext, CommandKey, CommandT, UseCase
from application.unit_of_work import Saved
from domain.ids import uuid7
from domain.values import parse_reason

TRACE_ID = "reprise.trace_id"
"""In the scope of a request whose trace has been looked for."""
_KEY = re.compile(rb"[\x21-\x7e]{1,255}")
_TRACEPARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")


class StatedReason(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The reason."""

    reason: str


async def run(request: ApiRequest, use_case: UseCase[CommandT], command: CommandT, reason: str | None = None) -> Saved:
    """Run a command for the bearer of the request's token; the reason is the given one or that of Reprise-Reason."""
    actor = request.access.actor
    sender = "\n".join((str(actor), actor.client or "", actor.on_behalf_of or ""))
    saved = await run_as(actor, sender, request, use_case, command, reason)
    request.own_writes.note(actor, saved.position)
    return saved


async def run_as(
    actor: Actor,
    sender: str,
    request: ApiRequest,
    use_case: UseCase[CommandT],
    command: CommandT,
    reason: str | None = None,
) -> Saved:
    """Run a command for an actor; idempotency keys of different callers are independent."""
    content = await request.body()
    stated = stated_reason(request)
    context = CommandContext(
        metadata=Metadata(
            command_id=uuid7(),
            actor=actor,
            reason=reason or stated,
            correlation_id=request.uuid_header(b"correlation-id"),
            trace_id=trace_id(request.scope),
        ),
        key=_key(sender, request, content),
        expected_version=expected_version(request),
    )
    return await request.service.commands.run(use_case, command, context)


def stated_reason(request: ApiRequest) -> str | None:
    """The reason in Reprise-Reason. Raises `RefusedValue`."""
    text = request.text_header(b"reprise-reason")
    return None if text is None else parsed(parse_reason, text, Place("header", "Reprise-Reason"))


def trace_id(scope: Any) -> bytes | None:
    """The id of the trace that the request belongs to (W3C Trace Context); ignored if malformed."""
    if TRACE_ID not in scope:
        scope[TRACE_ID] = _stated_trace_id(scope["headers"])
    return scope[TRACE_ID]  # type: ignore[no-any-return] # a scope holds anything


def _stated_trace_id(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    values = [value for name, value in headers if name == b"traceparent"]
    found = _TRACEPARENT.fullmatch(values[0]) if len(values) == 1 else None
    return bytes.fromhex(found.group(1).decode()) if found else None


def _key(sender: str, request: ApiRequest, content: bytes) -> CommandKey | None:
    key = request.header(b"idempotency-key")
    if key is None:
        return None
    if not _KEY.fullmatch(key):
        raise header_refused(b"idempotency-key", "A key must have 1 to 255 visible ASCII characters.")
    return request.service.command_keys.make(
        sender,
        key.decode("ascii"),
        request.scope["method"].encode(),
        request.scope["path"].encode("utf-8", "surrogateescape"),
        request.header(b"if-match") or b"",
        request.header(b"reprise-reason") or b"",
        content,
    )
