"""`backfill demo`: a real backfill of a real, replicated table, throttled, killed and resumed before one's eyes.

The worker is another process, the one that `backfill run` starts; this one owns the servers, the link and the
screen, and reads the worker's `--json` events.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

from rich.console import Console

from backfill.events.batch import BatchDone
from backfill.events.event import Event
from backfill.events.job import Finished, Started
from backfill.events.throttle import SignalsRead
from backfill.observe.notices import Severity
from backfill.observe.terminal.final_table import final_table
from backfill.observe.terminal.line_output import LineOutput
from backfill.observe.terminal.live import Live
from backfill.sandbox.cluster import Sandbox
from backfill.sandbox.command import command, read_events
from backfill.sandbox.link import Link
from backfill.sandbox.server import Server
from backfill.sandbox.wait import wait_until
from backfill.values.errors import BackfillError
from backfill.values.units import format_rate, format_size

WIDE_BYTES_S = 12 * 1024**2
NARROW_BYTES_S = 4 * 1024**2
NARROW_AT, KILL_AT, WIDE_AT = 0.25, 0.45, 0.6
DEAD_S = 1.5
"""Time between the worker's death and its successor, for people to see it."""
COUNTED_S = 5.0
"""Bound for the server's own count: it is published after a session's end, before PostgreSQL 15 up to a second."""


@dataclass(slots=True, kw_only=True)
class DemoState:
    """What happened so far: the worst lag over all workers, how far the plot is, how the last worker ended."""

    began_s: float | None = None
    started: Started | None = None
    finished: Finished | None = None
    worst_lag_s: float = 0.0
    elapsed_s: float = 0.0
    narrowed: bool = False
    killed: bool = False
    widened: bool = False


def show(rows: int) -> int:
    """Play the demo; return 0 when every row was filled and the lag stayed inside its budget."""
    console = Console()
    screen: Live | LineOutput = Live(console) if console.is_terminal else LineOutput(sys.stdout)
    with Sandbox() as sandbox:
        with screen:
            screen.note("starting a PostgreSQL primary and two standbys")
            primary = sandbox.primary(settings={"max_wal_size": "2GB"})
            link = sandbox.link(primary, rate_bytes_s=WIDE_BYTES_S)
            sandbox.standby("replica-a", primary)
            sandbox.standby("replica-b", primary, link=link)
            version = primary.query("SHOW server_version")[0][0]
            screen.note(f"PostgreSQL {version}; replica-b is behind a link of {format_rate(WIDE_BYTES_S)}")
            screen.note(f"creating table users with {rows:,} rows")
            size_bytes = _make_users(primary, rows)
            story = _play(primary, link, screen)
        return _tell(console, primary, story, rows, size_bytes)


def _make_users(primary: Server, rows: int) -> int:
    """Make and fill the table, wait until both standbys have it; return its size."""
    primary.query(
        "CREATE TABLE users (id bigint PRIMARY KEY, username text NOT NULL, email text NOT NULL,"
        " created_at timestamptz NOT NULL DEFAULT now(), handle text)"
    )
    primary.query(
        "INSERT INTO users (id, username, email)"
        " SELECT i, 'user_' || md5(i::text), 'user' || i || '@example.org' FROM generate_series(1, %s) i",
        rows,
    )
    primary.query("CREATE INDEX users_email ON users (email)")
    primary.query("VACUUM (ANALYZE) users")
    size = primary.query("SELECT pg_table_size('users')")
    deadline_s = time.monotonic() + 120
    while primary.query("SELECT max(pg_current_wal_lsn() - replay_lsn) > 0 FROM pg_stat_replication")[0][0]:
        if time.monotonic() > deadline_s:
            raise BackfillError("the standbys did not catch up with the new table in 2 minutes")
        time.sleep(0.1)
    return int(size[0][0])


def _play(primary: Server, link: Link, screen: Live | LineOutput) -> DemoState:
    story = DemoState()
    while story.finished is None:
        with command(primary.dsn, "run", str(_job_path()), "--json", "--http", "off") as worker:
            for event in read_events(worker):
                screen.record(event)
                if _act(story, event, link, screen):
                    worker.kill()
                    screen.note("worker killed with SIGKILL, in the middle of its work", Severity.WARN)
                    time.sleep(DEAD_S)
                    screen.note("another worker is started")
                    break
            else:
                if story.finished is None:
                    raise BackfillError(f"the worker ended with {worker.wait(10)} and said nothing")
    return story


def _act(story: DemoState, event: Event, link: Link, screen: Live | LineOutput) -> bool:
    """Follow the worker and play the next turn; return whether it is time to kill it."""
    match event:
        case Started():
            story.started = event
            story.began_s = story.began_s or time.monotonic()
        case SignalsRead(replicas=replicas):
            story.worst_lag_s = max(story.worst_lag_s, *(replica.lag_s or 0.0 for replica in replicas), 0.0)
        case Finished():
            story.finished = event
            story.elapsed_s = time.monotonic() - (story.began_s or 0.0)
        case BatchDone(progress_ratio=ratio, pass_number=1):
            if ratio >= NARROW_AT and not story.narrowed:
                story.narrowed = True
                link.limit(NARROW_BYTES_S)
                screen.note(f"link to replica-b narrowed to {format_rate(NARROW_BYTES_S)}", Severity.WARN)
            if ratio >= KILL_AT and not story.killed:
                story.killed = True
                return True
            if ratio >= WIDE_AT and not story.widened:
                story.widened = True
                link.limit(WIDE_BYTES_S)
                screen.note(f"link to replica-b widened to {format_rate(WIDE_BYTES_S)}")
        case _:
            pass
    return False


def _job_path() -> Path:
    """Return the job file: the wheel carries a copy, a clone has it in `jobs/`."""
    package = Path(str(files("backfill")))
    candidates = (package / "sandbox" / "handle.yaml", package.parent / "jobs" / "handle.yaml")
    return next(path for path in candidates if path.exists())


def _tell(console: Console, primary: Server, story: DemoState, rows: int, size_bytes: int) -> int:
    assert story.finished is not None, "the play ends with it"
    assert story.started is not None, "a worker that ends well has started"
    updates = _updates(primary, rows)
    (wrong,), (size_after_bytes,) = (
        primary.query("SELECT count(*) FROM users WHERE handle IS DISTINCT FROM username")[0],
        primary.query("SELECT pg_table_size('users')")[0],
    )
    finished = replace(
        story.finished,
        worst_lag_s=max(story.worst_lag_s, story.finished.worst_lag_s),
        elapsed_s=story.elapsed_s,
    )
    budget_s = story.started.max_lag_s
    growth = f"{format_size(size_bytes)} → {format_size(size_after_bytes)}, {size_after_bytes / size_bytes:.2f} times"
    extra = {
        "table": growth,
        "updates": f"{updates:,}: each row once, although one worker was killed" if updates == rows else f"{updates:,}",
        "wrong": f"{wrong:,} rows, as counted by the demo itself",
    }
    console.print(final_table(finished, budget_s=budget_s, extra=extra))
    good = finished.state == "done" and wrong == 0 and updates == rows and finished.worst_lag_s <= budget_s
    return 0 if good else 1


def _updates(primary: Server, rows: int) -> int:
    """Return how many updates of rows the server has counted, once it has counted all that were to be."""

    def counted() -> int:
        return int(primary.query("SELECT n_tup_upd FROM pg_stat_user_tables WHERE relname = 'users'")[0][0])

    with suppress(BackfillError):
        wait_until(lambda: counted() >= rows, "the server counts every update", COUNTED_S)
    return counted()
