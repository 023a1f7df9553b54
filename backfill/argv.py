"""A password on the command line, moved out of everybody's sight before anything else happens.

The arguments of a process are there for all users of the machine to read, its environment for its owner only.
So a `--dsn` with a password becomes DATABASE_URL, and the process starts again in its own place without it.
"""

from __future__ import annotations

import os
import re
import sys

_PASSWORD = re.compile(r"://[^/?#@]*:[^/?#@]*@|password\s*=", re.IGNORECASE)


def without_password(arguments: list[str]) -> tuple[list[str], str | None]:
    """Return the arguments without a `--dsn` that has a password, and that DSN or None."""
    kept: list[str] = []
    found: str | None = None
    rest = iter(arguments)
    for argument in rest:
        value = next(rest, None) if argument == "--dsn" else argument.partition("=")[2]
        if argument == "--dsn" or argument.startswith("--dsn="):
            if value is not None and _PASSWORD.search(value):
                found = value
                continue
            kept.extend([argument] if value is None or argument != "--dsn" else [argument, value])
        else:
            kept.append(argument)
    return kept, found


def hide_password() -> None:
    """Start again without the password in our arguments, where there is one; return where there is none."""
    arguments, dsn = without_password(sys.argv[1:])
    if dsn is not None:
        environment = os.environ | {"DATABASE_URL": dsn}
        os.execve(sys.executable, [sys.executable, "-m", "backfill", *arguments], environment)  # noqa: S606 - ourselves
