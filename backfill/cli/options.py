"""Options that several commands share, and what they mean: the database, the HTTP address, job files."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated

import typer

from backfill.values.errors import JobError

DATABASE = (
    "The database comes from --dsn, else DATABASE_URL, else libpq's PG* variables. Prefer the environment: other users"
    " can see a password in --dsn with `ps` for about 0.1 s, until the process restarts itself without it."
)
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
Files = Annotated[list[Path], typer.Argument(help="Job files, run one after the other.", metavar="JOB.yaml")]


def epilog(*paragraphs: str) -> str:
    """Return what a command's help ends with: its own paragraphs, then where the database comes from."""
    return "\n\n".join((*paragraphs, DATABASE))


def resolve_dsn(option: str | None) -> str:
    """Return the connection string that `--dsn` or the environment gives."""
    from backfill.postgres.session import connection  # noqa: PLC0415 - help and schema start faster without

    return connection.resolve_dsn(option, dict(os.environ))


def parse_http(text: str | None) -> tuple[str, int] | None:
    """Return host and port of `127.0.0.1:9464` or `[::1]:9464`; None for `off`; raise JobError for anything else."""
    if text == "off":
        return None
    host, _, port = (HTTP_DEFAULT if text is None else text).rpartition(":")
    if not host or not re.fullmatch("[0-9]{1,5}", port) or int(port) > 65535:
        raise JobError(f"not an address: --http {text!r}; write HOST:PORT such as {HTTP_DEFAULT}, or off")
    return host.strip("[]"), int(port)
