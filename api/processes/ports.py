"""The port to listen on and, if it is in use, a command that works instead."""

import errno
import os
import shlex
import socket
import sys
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

from api.cli.failures import Failure

MADE_BY_MAKE = ".venv/bin/reprise"
"""How the Makefile calls the program."""
_NEIGHBOURS = 20
_HIGHEST = 65_535


def free_port(host: str, port: int, command: Sequence[str]) -> int:
    """The port, or any free one for 0; `command` is what the user called, without a port.

    Raises `Failure` if nobody can listen there; if the port is taken, it names the command with one that is free.
    """
    try:
        return _bound(host, port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise Failure(_taken(host, port, command), "port_in_use") from None
        raise Failure(f"Cannot listen on port {port} of {host}: {error.strerror}.", "address_unusable") from error


def _taken(host: str, port: int, command: Sequence[str]) -> str:
    free = _another_port(host, port)
    return (
        f"Port {port} of {host} is in use. Stop the program that uses it, or use port {free}: {_retry(command, free)}"
    )


def _another_port(host: str, taken: int) -> int:
    for port in range(taken + 1, min(taken + _NEIGHBOURS, _HIGHEST) + 1):
        with suppress(OSError):
            return _bound(host, port)
    return _bound(host, 0)


def _bound(host: str, port: int) -> int:
    """The port, once it has been listened at for a moment. Raises `OSError`."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with closing(socket.socket(family, kind, protocol)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
        found: int = probe.getsockname()[1]
    return found


def _retry(command: Sequence[str], port: int) -> str:
    """The same command at another port, to be called in the same way: through make, or by the program's path."""
    name, options = command[0], [*command[1:], "--port", str(port)]
    if name == "run" and "MAKELEVEL" in os.environ and sys.argv[0] == MADE_BY_MAKE:
        return f'make run ARGS="{shlex.join(options)}"'
    program = sys.argv[0] if Path(sys.argv[0]).name == "reprise" else "reprise"
    return shlex.join([program, name, *options])
