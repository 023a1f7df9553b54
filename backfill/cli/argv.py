"""A password on the command line, moved out of everybody's sight before anything else happens.

The arguments of a process are there for all users of the machine to read, its environment for its owner only.
So a `--dsn` with a password becomes DATABASE_URL, and the process starts again in its own place without it.
"""

from __future__ import annotations

import os
import re
import sys
from urllib.parse import unquote

_PASSWORD = re.compile(r"://.*:.*@|password", re.IGNORECASE | re.DOTALL)
"""Rather too much than too little: a password may hold '/', '#' and '?', and to hide a port does no harm."""


def without_password(arguments: list[str]) -> tuple[list[str], str | None]:
    """Return the arguments without `--dsn`, and its value; where it has no password, as they are, and None.

    Of several the last one counts, as it does for the command line itself.
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
    """Start again without the password in our arguments, where there is one; return where there is none."""
    given = sys.argv[1:]
    arguments, dsn = without_password(given)
    if dsn is not None:
        # As we were started: `-m` would look for our modules in the working directory first, a script does not.
        begin = sys.orig_argv[1 : len(sys.orig_argv) - len(given)]
        environment = os.environ | {"DATABASE_URL": dsn}
        os.execve(sys.executable, [sys.executable, *begin, *arguments], environment)  # noqa: S606 - ourselves
