"""What `reprise run` writes."""

from datetime import timedelta
from typing import Protocol

import msgspec

from api.cli.terminal import say, write_json_line


class Running(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What there is when everything runs."""

    url: str
    docs: str
    home: str
    token: str
    token_lifetime: timedelta
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
        hours = int(running.token_lifetime.total_seconds()) // 3600
        say(f"""
Reprise is ready.

  API            {running.url}
  Documentation  {running.docs}
  Home           {running.home} (database, keys, mails, logs)

The token of an administrator, good for {hours} hours; `reprise token` issues others:

{running.token}

For example, the first users:

curl -H 'Authorization: Bearer {running.token}' '{running.url}/v1/users?limit=3'

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
        write_json_line({"event": "ready", **msgspec.to_builtins(running)})

    def restarted(self, name: str, pid: int | None, code: int) -> None:
        write_json_line({"event": "restarted", "process": name, "pid": pid, "code": code})

    def stopping(self) -> None:
        write_json_line({"event": "stopping"})

    def stopped(self) -> None:
        write_json_line({"event": "stopped"})
