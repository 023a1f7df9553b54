"""Locks are held for a bounded time: a worker is frozen in mid-batch, or its host vanishes, and another session waits.

The waiter measures. A lock of ours ends no later than the statement that holds it and ten seconds; a worker that wakes
up again has lost its session and changes nothing with what it had begun.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from backfill.postgres.session.lock_release import CHECK_S, HOST_LOST_S, IDLE_S
from backfill.sandbox import Sandbox, Server
from backfill.sandbox.wait import wait_until
from tests.acceptance.worker import left, make_users, run_job, write_job
from tests.network_namespace import Host, host, why_absent
from tests.roles import employ

ROWS = 3_000
WORKER = "worker"
SLACK_S = 5.0
"""For a machine that is busy with other tests."""

pytestmark = pytest.mark.timeout(120)


def count_updates(database: Any, *, slow_row_s: float) -> None:
    """Keep how often each row was updated; one row takes a while."""
    database.query("alter table users add column updates int not null default 0")
    database.query(
        "create function count_update() returns trigger language plpgsql as $$ begin"
        f" if new.id = 77 then perform pg_sleep({slow_row_s}); end if;"
        " new.updates := old.updates + 1; return new; end $$"
    )
    database.query("create trigger counted before update on users for each row execute function count_update()")
    database.query("vacuum full analyze users")


@contextmanager
def waiting(dsn: str, statement: str) -> Iterator[list[float]]:
    """Run a statement beside us; how long it took is in the list once the block is left."""
    took_s: list[float] = []

    def run() -> None:
        began_s = time.monotonic()
        with suppress(psycopg.OperationalError), psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(statement.encode())
            took_s.append(time.monotonic() - began_s)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield took_s
    thread.join(60)


def sleeping(database: Any) -> bool:
    """Whether a worker's UPDATE has come to the slow row."""
    asked = (
        "select true from pg_stat_activity where application_name like 'backfill:users-%%' and wait_event = 'PgSleep'"
    )
    return bool(database.query(asked))


@pytest.mark.oldest
def test_a_worker_that_is_frozen_in_mid_batch_lets_go_and_its_batch_is_done_once(database, tmp_path: Path):
    make_users(database, ROWS)
    count_updates(database, slow_row_s=1.0)
    with run_job(database.worker_dsn, write_job(tmp_path)) as worker:
        wait_until(lambda: sleeping(database), "the batch is in its UPDATE", 30)
        worker.send(signal.SIGSTOP)
        with waiting(database.dsn, "create index users_handle on users (handle)") as took_s:
            pass
        assert took_s, "the lock was never given"
        assert took_s[0] < 1.0 + IDLE_S + SLACK_S
        database.query("update users set handle = 'theirs' where id = 77")
        worker.send(signal.SIGCONT)
        assert worker.end() == 0, worker.stderr
    assert database.query("select count(*) from users where updates <> 1") == [(0,)]
    assert database.query("select handle from users where id = 77") == [("theirs",)]


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Host]:
    if reason := why_absent():
        pytest.skip(reason)
    with host() as made:
        yield made


@pytest.fixture
def reachable(elsewhere: Host) -> Iterator[Server]:
    """A primary that the other host reaches."""
    with Sandbox() as sandbox:
        server = sandbox.primary(settings={"listen_addresses": f"127.0.0.1,{elsewhere.here}"})
        with (server.data / "pg_hba.conf").open("a", encoding="utf-8") as rules:
            rules.write(f"host all {WORKER} {elsewhere.network} trust\n")
        server.query("select pg_reload_conf()")
        employ(server.dsn, WORKER)
        yield server


def test_a_host_that_vanishes_gives_up_rows_and_job(elsewhere: Host, reachable: Server, tmp_path: Path):
    """In mid-UPDATE of one job and between two batches of another; the heirs take over and end both."""
    make_users(reachable, ROWS)
    count_updates(reachable, slow_row_s=60.0)
    reachable.query("create table orders (id int primary key, username text, handle text)")
    reachable.query("insert into orders select i, 'user' || i from generate_series(1, 30000) i")
    dsn = f"host={elsewhere.here} port={reachable.port} user={WORKER} dbname=postgres"
    in_batch = write_job(tmp_path, **{"where: handle IS NULL": "where: handle IS NULL\nstatement_timeout: 50s"})
    (tmp_path / "orders").mkdir()
    waits = {"users-handle": "orders", "public.users": "public.orders", "max_wal_rate: 1GB/s": "max_wal_rate: 64kB/s"}
    between = write_job(tmp_path / "orders", **waits)
    with run_job(dsn, in_batch, prefix=elsewhere.prefix), run_job(dsn, between, prefix=elsewhere.prefix) as other:
        wait_until(lambda: sleeping(reachable), "the batch is in its UPDATE", 30)
        other.until("BatchDone")
        elsewhere.vanish()
        began_s = time.monotonic()
        with (
            waiting(reachable.dsn, "create index users_handle on users (handle)") as took_s,
            run_job(reachable.dsn_for(user=WORKER), between) as heir,
        ):
            heir.until("Started")
            taken_over_s = time.monotonic() - began_s
    assert took_s, "the lock was never given"
    assert took_s[0] < HOST_LOST_S + CHECK_S + SLACK_S
    assert taken_over_s < HOST_LOST_S + CHECK_S + SLACK_S
    reachable.query("drop trigger counted on users")
    with run_job(reachable.dsn_for(user=WORKER), in_batch) as heir:
        assert heir.end() == 0, heir.stderr
    assert left(reachable) == 0
