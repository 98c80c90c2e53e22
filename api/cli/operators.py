"""Who uses the command line: whoever the operating system has logged in, whatever variables say.

LOGNAME, USER and SUDO_USER are set by whoever starts a program, so they prove nothing. Under sudo it is the account
that sudo changes to; who that was is in sudo's own log.
"""

import os
import pwd

from application.actors import Actor, Role


def operator(role: Role = Role.SYSTEM) -> Actor:
    """The command line, for the person who uses it."""
    return Actor(role, "cli", on_behalf_of=login_name())


def login_name() -> str:
    """The name of the real user id of this process; the number, if no account has it."""
    number = os.getuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
