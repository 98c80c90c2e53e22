"""File descriptors: as many as the connections of a process need."""

import resource

from api.connections.limits import Limits

BESIDE = 256
"""Descriptors for everything else: the database, files, the listening socket, those that are being closed."""


class TooFewDescriptorsError(Exception):
    """The system does not let this process open so many connections."""

    def __init__(self, needed: int, allowed: int) -> None:
        super().__init__(f"needs {needed} open files, and the system allows this process {allowed} (ulimit -Hn)")


def allow_connections(limits: Limits) -> None:
    """Raise this process's own limit as far as it takes. Raises `TooFewDescriptorsError`."""
    needed = limits.connections + limits.parting + BESIDE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise TooFewDescriptorsError(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
