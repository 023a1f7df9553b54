"""A synchronous standby dies under a job that commits synchronously: the job waits for the standby, not for itself.

The batch that was in its COMMIT holds its locks until the worker cancels it; what the worker keeps of its state, the
reason to wait among it, is never committed synchronously, so `status` shows it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from backfill.sandbox import Sandbox, Server, Standby
from tests.acceptance.pod import pod
from tests.acceptance.worker import JOB, left, make_users, write_job
from tests.roles import employ

ROWS = 20_000
WORKER = "worker"
ANSWER_S = 2 * 1.0 + 20.0
"""Of a job with a statement_timeout of 1 s."""
SLACK_S = 5.0

pytestmark = [pytest.mark.long, pytest.mark.timeout(180)]


@pytest.fixture
def pair() -> Iterator[tuple[Server, Standby]]:
    """A primary whose commits wait for a standby."""
    with Sandbox() as sandbox:
        primary = sandbox.primary()
        standby = sandbox.standby("replica-a", primary)
        employ(primary.dsn, WORKER)
        make_users(primary, ROWS)
        primary.configure({"synchronous_standby_names": '"replica-a"'})
        yield primary, standby


def test_a_job_waits_for_a_dead_synchronous_standby_and_goes_on_with_it(pair: tuple[Server, Standby], tmp_path: Path):
    primary, standby = pair
    limits = "  max_wal_rate: 512kB/s\nsynchronous_commit: on\nstatement_timeout: 1s\nlock_timeout: 500ms\n"
    job = write_job(tmp_path, JOB.replace("  max_wal_rate: 1GB/s\n", limits))
    with pod(primary.dsn_for(user=WORKER), job) as worker:
        standby.freeze()
        waits = "select true from pg_stat_activity where application_name like 'backfill:users-%%' and wait_event = 'SyncRep'"
        worker.until(lambda: primary.query(waits), "a batch waits for the standby in its COMMIT")
        standby.kill()
        began_s = time.monotonic()
        with psycopg.connect(f"{primary.dsn} options='-c synchronous_commit=off'") as waiter:
            waiter.execute("lock table users")
        assert time.monotonic() - began_s < ANSWER_S + SLACK_S
        worker.stops("missing", "replica-a is not connected")
        assert not worker.logged("lock held by")
        standby.start()
        worker.heals()
        assert worker.process.wait(100) == 0
    assert left(primary) == 0
