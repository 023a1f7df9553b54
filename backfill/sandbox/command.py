"""Commands of ours as processes of their own, as a user starts them, and the events that they print."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from backfill.events.event import Event, from_dict


@contextmanager
def command(dsn: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Start a command on a database, and kill it at the end if it still runs."""
    argv = [sys.executable, "-m", "backfill", *arguments]
    with subprocess.Popen(
        argv, stdout=subprocess.PIPE, env=os.environ | {"DATABASE_URL": dsn}, text=True, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def read_events(process: subprocess.Popen[str]) -> Iterator[Event]:
    """Yield the events that it prints with `--json`, until it ends."""
    assert process.stdout is not None, "it was asked for a pipe"
    for line in process.stdout:
        fields = json.loads(line)
        fields.pop("at")
        yield from_dict(fields)
