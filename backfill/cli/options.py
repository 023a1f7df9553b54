"""Options that several commands share, and what they mean: the database, the HTTP address, job files."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated

import typer

from backfill.values.errors import JobError
from backfill.values.units import parse_duration

DATABASE = (
    "The database comes from --dsn, else DATABASE_URL, else libpq's PG* variables. Prefer the environment: other users"
    " can see a password in --dsn with `ps` for about 0.1 s, until the process restarts itself without it."
)
FOR_MIN_S, FOR_MAX_S = 1.0, 365 * 86400.0
REASON_MAX = 200
HTTP_DEFAULT = "127.0.0.1:9464"

Dsn = Annotated[
    str | None,
    typer.Option(
        "--dsn",
        help="Connection string or URL of the primary. A password belongs in the environment.",
        show_default=False,
    ),
]
Http = Annotated[
    str | None,
    typer.Option(
        "--http",
        metavar="HOST:PORT",
        help=f"Address for metrics and status, default {HTTP_DEFAULT}; [::]:PORT for IPv4 and IPv6; 'off' to disable.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, one object per line.")]
File = Annotated[Path, typer.Argument(help="A job file.", metavar="JOB.yaml")]
Reason = Annotated[
    str | None,
    typer.Option("--reason", metavar="TEXT", help="Why; shown with the job and kept with it.", show_default=False),
]
For = Annotated[
    str | None,
    typer.Option("--for", metavar="DURATION", help="How long, such as 30m or 2h.", show_default=False),
]
Files = Annotated[list[Path], typer.Argument(help="Job files, run one after the other.", metavar="JOB.yaml")]


def epilog(*paragraphs: str) -> str:
    """Return what a command's help ends with: its own paragraphs, then where the database comes from."""
    return "\n\n".join((*paragraphs, DATABASE))


def resolve_dsn(option: str | None) -> str:
    """Return the connection string that `--dsn` or the environment gives."""
    from backfill.postgres.session import connection  # noqa: PLC0415 - help and schema start faster without

    return connection.resolve_dsn(option, dict(os.environ))


def parse_for(text: str | None) -> float | None:
    """Return the seconds of --for; None without it; raise JobError for anything else than a time up to a year."""
    if text is None:
        return None
    for_s = parse_time("--for", text)
    if not FOR_MIN_S <= for_s <= FOR_MAX_S:
        raise JobError(f"--for is {text!r}; allowed are 1s to 365d")
    return for_s


def parse_time(option: str, text: str) -> float:
    """Return the seconds of an option; raise JobError with its name if that is no time."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise JobError(f"{option}: {error}") from None


def parse_reason(text: str | None) -> str | None:
    """Return the text of --reason without blanks around it; raise JobError if it is empty or long."""
    if text is None:
        return None
    text = " ".join(text.split())
    if not 0 < len(text) <= REASON_MAX or not text.isprintable():
        raise JobError(f"--reason has {len(text)} characters; allowed are 1 to {REASON_MAX}, and no control characters")
    return text


def parse_http(text: str | None) -> tuple[str, int] | None:
    """Return host and port of `127.0.0.1:9464` or `[::1]:9464`; None for `off`; raise JobError for anything else."""
    if text == "off":
        return None
    host, _, port = (HTTP_DEFAULT if text is None else text).rpartition(":")
    if not host or not re.fullmatch("[0-9]{1,5}", port) or int(port) > 65535:
        raise JobError(f"not an address: --http {text!r}; write HOST:PORT such as {HTTP_DEFAULT}, or off")
    return host.strip("[]"), int(port)
