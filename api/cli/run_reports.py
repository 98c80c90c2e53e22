"""What `reprise run` writes."""

from datetime import timedelta
from typing import Protocol

import msgspec
from msgspec import UNSET, UnsetType

from api.cli.terminal import say, write_json_line


class RunToken(msgspec.Struct, frozen=True):
    """A token to begin with."""

    text: str
    lifetime: timedelta


class Running(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What there is when everything runs."""

    url: str
    docs: str
    home: str
    token: RunToken | UnsetType
    """None is issued in production."""
    processes: dict[str, int | None]
    """The process id of each, by name."""


class RunReport(Protocol):
    """How a run is told of."""

    def progress(self, sentence: str) -> None:
        """Something was done on the way."""
        ...

    def ready(self, running: Running) -> None:
        """Everything runs."""
        ...

    def restarted(self, name: str, pid: int | None, code: int) -> None:
        """A process had ended with a code and was started again."""
        ...

    def stopping(self) -> None:
        """It was asked to stop."""
        ...

    def stopped(self) -> None:
        """Nothing runs any more."""
        ...


class TextRunReport:
    """Lines for whoever started it."""

    def progress(self, sentence: str) -> None:
        say(sentence)

    def ready(self, running: Running) -> None:
        say(f"""
Reprise is ready.

  API            {running.url}
  Documentation  {running.docs}
  Home           {running.home} (database, keys, mails, logs)
{_token_told(running)}
Ctrl-C stops everything.""")

    def restarted(self, name: str, pid: int | None, code: int) -> None:
        say(f"{name} had ended with {code} and was started again, as process {pid}.")

    def stopping(self) -> None:
        say("Stopping; once more to stop without waiting for requests under way.")

    def stopped(self) -> None:
        say("Everything has stopped.")


class JsonRunReport:
    """A line of JSON for each thing that a program may wait for."""

    def progress(self, sentence: str) -> None:
        """Is of no use to programs."""

    def ready(self, running: Running) -> None:
        told = msgspec.to_builtins(running)
        if running.token is not UNSET:
            told |= {"token": running.token.text, "tokenLifetime": running.token.lifetime}
        write_json_line({"event": "ready", **told})

    def restarted(self, name: str, pid: int | None, code: int) -> None:
        write_json_line({"event": "restarted", "process": name, "pid": pid, "code": code})

    def stopping(self) -> None:
        write_json_line({"event": "stopping"})

    def stopped(self) -> None:
        write_json_line({"event": "stopped"})


def _token_told(running: Running) -> str:
    if running.token is UNSET:
        return "\nTokens come from your identity provider (REPRISE_JWKS).\n"
    hours = int(running.token.lifetime.total_seconds()) // 3600
    return f"""
The token of an administrator, good for {hours} hours; `reprise token` issues others:

{running.token.text}

For example, the first users:

curl -H 'Authorization: Bearer {running.token.text}' '{running.url}/v1/users?limit=3'
"""
