"""The form of the log: one JSON object on one line, from us and from the libraries, with no exception's message."""

import json
import logging
import subprocess
import sys

SCRIPT = """
import logging, structlog
from api.http.logs import configure_logging
configure_logging()
structlog.get_logger("here").info("request", route="/v1/users/{user_id}", ms=1.5, position=None)
structlog.get_logger("here").debug("chatter")
logging.getLogger("uvicorn.error").info("chatter")
try:
    raise ValueError("zq7-personal-value")
except ValueError:
    logging.getLogger("psycopg.pool").warning("it failed: %s", "why", exc_info=True)
"""


ABANDONED = """
import asyncio
from api.http.logs import configure_logging
configure_logging()
async def fail():
    raise ValueError("zq7-personal-value")
async def main():
    asyncio.create_task(fail())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
asyncio.run(main())
"""


def test_what_a_library_says_of_the_objects_at_fault_is_left_out() -> None:
    logged = subprocess.run([sys.executable, "-c", ABANDONED], capture_output=True, check=True, text=True)

    (line,) = logged.stderr.splitlines()
    told = json.loads(line)
    assert (told["event"], told["error"]) == ("Task exception was never retrieved", "ValueError")
    assert "zq7-personal-value" not in logged.stderr


IMPATIENT = """
import logging
from api.cli import main
main(["--version"])
logging.getLogger("psycopg.pool").warning("discarding closed connection: %r", object())
"""


def test_a_command_says_nothing_but_its_own_words() -> None:
    """A command that is stopped drops its connections, and their library warns of each."""
    said = subprocess.run([sys.executable, "-c", IMPATIENT], capture_output=True, check=True, text=True)

    assert ("build" in said.stdout, said.stderr) == (True, "")


def test_everything_is_logged_in_one_form() -> None:
    logged = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, check=True, text=True)

    ours, theirs = (json.loads(line) for line in logged.stderr.splitlines())
    assert logged.stdout == ""
    assert {name: ours[name] for name in ("event", "route", "ms", "level")} == {
        "event": "request",
        "route": "/v1/users/{user_id}",
        "ms": 1.5,
        "level": "info",
    }
    assert "position" not in ours
    assert (theirs["event"], theirs["logger"], theirs["level"]) == ("it failed: why", "psycopg.pool", "warning")
    assert theirs["error"] == "ValueError"
    assert "zq7-personal-value" not in logged.stderr
    assert logging.getLevelName(theirs["level"].upper()) == logging.WARNING
