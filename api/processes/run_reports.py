"""The output of `reprise run`."""

from datetime import timedelta
from pathlib import Path
from typing import Protocol

import msgspec
from msgspec import UNSET, UnsetType

from api.cli.terminal import say, write_json_line


class RunToken(msgspec.Struct, frozen=True):
    """A token to begin with."""

    text: str
    lifetime: timedelta


class Running(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Everything that is running."""

    url: str
    docs: str
    home: str
    token: RunToken | UnsetType
    """Unset in production, where none is issued."""
    processes: dict[str, int | None]
    """The process id of each, by name."""


class RunReport(Protocol):
    """Reports on a run."""

    def progress(self, sentence: str) -> None:
        """A step was completed."""
        ...

    def ready(self, running: Running) -> None:
        """Everything runs."""
        ...

    def restarted(self, name: str, pid: int | None, code: int) -> None:
        """A process ended with a code and was restarted."""
        ...

    def failing(self, name: str, code: int, log: Path, pause: float) -> None:
        """A process keeps ending, this time with a code; it is restarted after a pause in seconds."""
        ...

    def stopping(self) -> None:
        """The run was asked to stop."""
        ...

    def stopped(self) -> None:
        """Nothing is running any more."""
        ...


class TextRunReport:
    """Lines of text for people."""

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
        say(f"{name} ended with code {code} and was restarted as process {pid}.")

    def failing(self, name: str, code: int, log: Path, pause: float) -> None:
        say(f"{name} keeps ending, this time with code {code}: see {log}. It will be restarted in {pause:.0f} seconds.")

    def stopping(self) -> None:
        say("Stopping. Press Ctrl-C again to stop without waiting for requests in progress.")

    def stopped(self) -> None:
        say("Everything has stopped.")


class JsonRunReport:
    """A line of JSON for each event that a program may wait for."""

    def progress(self, sentence: str) -> None:
        """Nothing: programs have no use for it."""

    def ready(self, running: Running) -> None:
        told = msgspec.to_builtins(running)
        if running.token is not UNSET:
            told |= {"token": running.token.text, "tokenLifetime": running.token.lifetime}
        write_json_line({"event": "ready", **told})

    def restarted(self, name: str, pid: int | None, code: int) -> None:
        write_json_line({"event": "restarted", "process": name, "pid": pid, "code": code})

    def failing(self, name: str, code: int, log: Path, pause: float) -> None:
        write_json_line(
            {"event": "failing", "process": name, "code": code, "log": str(log), "restartsInSeconds": pause}
        )

    def stopping(self) -> None:
        write_json_line({"event": "stopping"})

    def stopped(self) -> None:
        write_json_line({"event": "stopped"})


def _token_told(running: Running) -> str:
    if running.token is UNSET:
        return "\nTokens come from your identity provider (REPRISE_JWKS).\n"
    hours = int(running.token.lifetime.total_seconds()) // 3600
    return f"""
A token with the role admin, valid for {hours} hours (`reprise token` issues others):

{running.token.text}

For example, list the first users:

curl -H 'Authorization: Bearer {running.token.text}' '{running.url}/v1/users?limit=3'
"""
