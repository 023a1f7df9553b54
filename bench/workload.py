"""What every benchmark works on: a table of people, a job that fills one column of it, and the worker as a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from backfill.events.event import Event, from_dict
from backfill.sandbox import Server

JOB = """\
name: bench
table: public.users
set:
  handle: username
where: handle IS NULL
throttle:
  max_lag: {max_lag}
  max_wal_rate: {max_wal_rate}
synchronous_commit: {synchronous_commit}
"""


def make_users(server: Server, rows: int) -> None:
    """Make table users anew, fresh from VACUUM, and forget what earlier workers kept; wait for the standbys."""
    server.query("DROP SCHEMA IF EXISTS backfill CASCADE")
    server.query("DROP TABLE IF EXISTS users")
    server.query(
        "CREATE TABLE users (id bigint PRIMARY KEY, username text NOT NULL, email text NOT NULL,"
        " created_at timestamptz NOT NULL DEFAULT now(), handle text) WITH (autovacuum_enabled = off)"
    )
    server.query(
        "INSERT INTO users (id, username, email)"
        " SELECT i, 'user_' || md5(i::text), 'user' || i || '@example.org' FROM generate_series(1, %s) i",
        rows,
    )
    server.query("CREATE INDEX users_email ON users (email)")
    server.query("VACUUM (ANALYZE) users")
    wait_replayed(server)


def wait_replayed(server: Server, timeout_s: float = 300.0) -> None:
    """Return when every standby has replayed what is written; raise TimeoutError when they do not."""
    deadline_s = time.monotonic() + timeout_s
    while server.query("SELECT max(pg_current_wal_lsn() - replay_lsn) > 0 FROM pg_stat_replication") == [(True,)]:
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"the standbys are still behind after {timeout_s:.0f} s")
        time.sleep(0.05)


@contextmanager
def job_file(
    *, max_lag: str = "10s", max_wal_rate: str = "1TB/s", synchronous_commit: str = "off", more: Mapping[str, str] = {}
) -> Iterator[Path]:
    """Give a job file; its own WAL rate is as good as unlimited when nothing is said.

    `more` are keys of the job that it has beside, each with its value as YAML; what is left out is the worker's to set.
    """
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "job.yaml"
        text = JOB.format(max_lag=max_lag, max_wal_rate=max_wal_rate, synchronous_commit=synchronous_commit)
        path.write_text(text + "".join(f"{key}: {value}\n" for key, value in more.items()), encoding="utf-8")
        yield path


def initialise(dsn: str) -> None:
    """Let `backfill init` make its schema, so that no run pays for it."""
    command = [sys.executable, "-m", "backfill", "init"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=os.environ | {"DATABASE_URL": dsn})


def run(server: Server, job: Path) -> Generator[tuple[float, Event], None, None]:
    """Run `backfill run` on the server; yield its events with the seconds at which they were read.

    Closed before the end, it ends the worker by SIGTERM. What the worker says to people is told when it fails.
    """
    with worker(server.dsn, job) as process:
        yield from events(process)


@contextmanager
def worker(dsn: str, job: Path) -> Iterator[subprocess.Popen[str]]:
    """Give a process of `backfill run`; it ends with the context, by SIGTERM unless it has ended."""
    command = [sys.executable, "-m", "backfill", "run", str(job), "--json", "--http", "off"]
    environment = os.environ | {"DATABASE_URL": dsn}
    with (
        tempfile.TemporaryFile("w+") as said,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, env=environment, text=True) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()
        if process.wait():
            said.seek(0)
            raise SystemExit(f"the worker ended with {process.returncode}: {said.read()}")


def events(process: subprocess.Popen[str]) -> Iterator[tuple[float, Event]]:
    """Yield a worker's events with the seconds at which they were read, until its output ends."""
    assert process.stdout is not None
    for line in process.stdout:
        fields = json.loads(line)
        del fields["at"]
        yield time.monotonic(), from_dict(fields)
