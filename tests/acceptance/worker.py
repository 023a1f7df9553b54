"""The installed command line as a process, and tables for it to work on."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.forked_command import ForkedCommand

COMMAND = [sys.executable, "-m", "backfill"]

JOB = """\
name: users-handle
table: public.users
set:
  handle: username
where: handle IS NULL
throttle:
  max_wal_rate: 1GB/s
"""


class Worker:
    """`backfill run --json`: its events as they come, its words on stderr, its exit code."""

    def __init__(self, dsn: str, *arguments: str, prefix: Sequence[str] = ()) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        environment["DATABASE_URL"] = dsn
        (events, stdout), (words, stderr) = os.pipe(), os.pipe()
        try:
            if prefix:
                self.process: ForkedCommand | subprocess.Popen[bytes] = subprocess.Popen(
                    [*prefix, *COMMAND, *arguments],
                    stdout=stdout,
                    stderr=stderr,
                    env=environment,
                    start_new_session=True,
                )
            else:
                self.process = ForkedCommand(arguments, env=environment, stdout=stdout, stderr=stderr, new_session=True)
        finally:
            os.close(stdout)
            os.close(stderr)
        self.streams = [open(one, encoding="utf-8") for one in (events, words)]  # noqa: PTH123, SIM115
        self.events: list[dict[str, Any]] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._stderr: list[str] = []
        self._threads = [
            threading.Thread(target=self._pump, args=(self.streams[0],), daemon=True),
            threading.Thread(target=self._stderr.extend, args=(self.streams[1],), daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def _pump(self, stream: Any) -> None:
        for line in stream:
            self._lines.put(line)
        self._lines.put(None)

    def each(self, timeout_s: float = 60.0) -> Iterator[dict[str, Any]]:
        """Give events until the worker ends; fail when nothing comes for so long."""
        while (line := self._lines.get(timeout=timeout_s)) is not None:
            event = json.loads(line)
            self.events.append(event)
            yield event
        self._lines.put(None)

    def until(self, name: str, timeout_s: float = 30.0, **fields: Any) -> dict[str, Any]:
        """Return the next event of this name and these fields."""
        deadline_s = time.monotonic() + timeout_s
        for event in self.each(timeout_s):
            if event["event"] == name and all(event.get(key) == value for key, value in fields.items()):
                return event
            assert time.monotonic() < deadline_s, f"no {name} {fields} in {timeout_s}s: {event}"
        raise AssertionError(f"the worker ended without {name} {fields}: {self.stderr}")

    def end(self, timeout_s: float = 120.0) -> int:
        """Read the rest and return the exit code."""
        for _ in self.each(timeout_s):
            pass
        code = self.process.wait(timeout_s)
        for thread in self._threads:
            thread.join(5)
        return code

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self.process.kill()
        self.end()

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    @property
    def stderr(self) -> str:
        """What it said."""
        return "".join(self._stderr)

    def all_of(self, name: str) -> list[dict[str, Any]]:
        """Return the events of this name so far."""
        return [event for event in self.events if event["event"] == name]


@contextmanager
def running(dsn: str, *arguments: str, prefix: Sequence[str] = ()) -> Iterator[Worker]:
    """A worker that is gone at the end, whatever happened; `prefix` is the command that runs it elsewhere."""
    worker = Worker(dsn, *arguments, prefix=prefix)
    try:
        yield worker
    finally:
        worker.process.kill()
        worker.process.wait(10)
        for thread in worker._threads:
            thread.join(5)
        for stream in worker.streams:
            stream.close()


@contextmanager
def run_job(dsn: str, job: Path, *arguments: str, prefix: Sequence[str] = ()) -> Iterator[Worker]:
    """`backfill run` of a job file, with its events."""
    with running(dsn, "run", str(job), "--json", "--http", "off", *arguments, prefix=prefix) as worker:
        yield worker


def write_job(directory: Path, text: str = JOB, **changes: str) -> Path:
    """Write a job file; `changes` replaces texts in it."""
    for before, after in changes.items():
        assert before in text
        text = text.replace(before, after)
    path = directory / "job.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def make_users(database: Any, rows: int, *, username: str = "'user' || i") -> None:
    """Make table users with `rows` rows whose handle is to be filled."""
    database.query("create table users (id bigint primary key, username text, email text not null, handle text)")
    database.query(
        "insert into users (id, username, email) select i, "
        + username
        + ", 'user' || i || '@example.org' from generate_series(1, %s) i",
        rows,
    )
    database.query("create index users_email on users (email)")
    database.query("vacuum analyze users")
    for (name,) in database.query("select application_name from pg_stat_replication"):
        deadline_s = time.monotonic() + 60
        while database.query(
            "select pg_current_wal_lsn() > replay_lsn from pg_stat_replication where application_name = %s", name
        ) == [(True,)]:
            assert time.monotonic() < deadline_s, f"{name} did not catch up"
            time.sleep(0.05)


def left(database: Any) -> int:
    """Return the rows that are not right."""
    [(count,)] = database.query("select count(*) from users where handle is distinct from username")
    return int(count)
