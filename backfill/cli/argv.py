"""A password on the command line, removed from the process list before anything else happens.

Every user of the machine can read the arguments of a process; only its owner can read its environment. So a `--dsn`
with a password becomes DATABASE_URL, and the process executes itself again without the option. Until then, for about
0.1 s, the password is visible: `DATABASE_URL` in the environment avoids even that.
"""

from __future__ import annotations

import os
import re
import sys
from urllib.parse import unquote

_PASSWORD = re.compile(r":(?!//).*@|pass|pwd", re.IGNORECASE | re.DOTALL)
"""Rather too much than too little: a password may hold '/', '#' and '?', and hiding a port does no harm."""


def without_password(arguments: list[str]) -> tuple[list[str], str | None]:
    """Return the arguments without `--dsn`, and its value; the same arguments and None if it has no password.

    The last of several counts, as it does for the command line itself.
    """
    kept: list[str] = []
    values: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        name, written, value = argument.partition("=")
        if name != "--dsn":
            kept.append(argument)
        elif written:
            values.append(value)
        elif (following := next(rest, None)) is not None:
            values.append(following)
        else:
            kept.append(argument)
    if any(_PASSWORD.search(unquote(value)) for value in values):
        return kept, values[-1]
    return arguments, None


def reexec_without_password() -> None:
    """Execute ourselves again without the password in our arguments; return if there is none."""
    given = sys.argv[1:]
    arguments, dsn = without_password(given)
    if dsn is not None:
        # As we were started: `-m` would look for our modules in the working directory first, a script does not.
        begin = sys.orig_argv[1 : len(sys.orig_argv) - len(given)]
        environment = os.environ | {"DATABASE_URL": dsn}
        os.execve(sys.executable, [sys.executable, *begin, *arguments], environment)  # noqa: S606 - ourselves
