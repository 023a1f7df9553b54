"""What every benchmark works on: a table of people, a job that fills one column of it, and the worker as a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

from backfill.core.events import Event, from_dict
from backfill.sandbox import Server

JOB = """\
name: bench
table: public.users
set:
  handle: username
where: handle IS NULL
batch: {{stripes: {stripes}}}
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
    *, stripes: int = 8, max_lag: str = "10s", max_wal_rate: str = "1TB/s", synchronous_commit: str = "off"
) -> Iterator[Path]:
    """Give a job file; its own WAL rate is as good as unlimited when nothing is said."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "job.yaml"
        text = JOB.format(
            stripes=stripes, max_lag=max_lag, max_wal_rate=max_wal_rate, synchronous_commit=synchronous_commit
        )
        path.write_text(text, encoding="utf-8")
        yield path


def run(server: Server, job: Path) -> Generator[tuple[float, Event], None, None]:
    """Run `backfill run` on the server; yield its events with the seconds at which they were read.

    Closed before the end, it ends the worker by SIGTERM. What the worker says to people is told when it fails.
    """
    command = [sys.executable, "-m", "backfill", "run", str(job), "--json", "--http", "off"]
    environment = os.environ | {"DATABASE_URL": server.dsn}
    with (
        tempfile.TemporaryFile("w+") as said,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, env=environment, text=True) as worker,
    ):
        assert worker.stdout is not None
        try:
            for line in worker.stdout:
                fields = json.loads(line)
                del fields["at"]
                yield time.monotonic(), from_dict(fields)
        finally:
            worker.terminate()
        if worker.wait():
            said.seek(0)
            raise SystemExit(f"the worker ended with {worker.returncode}: {said.read()}")
