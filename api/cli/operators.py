"""Who uses the command line: the user of the process, whatever environment variables say.

LOGNAME, USER and SUDO_USER prove nothing, because anybody who starts a program can set them. Under sudo it is the
account that sudo changes to; sudo's own log shows who that was.
"""

import os
import pwd

from application.actors import Actor, Role


def operator(role: Role = Role.SYSTEM) -> Actor:
    """The actor of the command line, with the login name."""
    return Actor(role, "cli", on_behalf_of=login_name())


def login_name() -> str:
    """The name of the real user id of this process; the number, if no account has it."""
    number = os.getuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
