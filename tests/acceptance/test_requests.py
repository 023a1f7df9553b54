"""A night: a job is paused from another machine, its worker is replaced, it goes on, and in the end it is cancelled."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.acceptance.command import all_at_once, backfill
from tests.acceptance.worker import left, make_users, run_job, write_job
from tests.fixtures_postgres import Database

ROWS = 20_000
SLOW = "  max_wal_rate: 256kB/s"


def state(database: Database) -> str:
    return str(json.loads(backfill("status", "users-handle", "--json", dsn=database.worker_dsn).stdout)["state"])


@pytest.mark.timeout(240)  # ten commands, most of them one after the other
def test_a_job_is_held_overnight_and_cancelled_in_the_morning(database: Database, tmp_path: Path):
    make_users(database, ROWS)
    path = write_job(tmp_path, **{"  max_wal_rate: 1GB/s": SLOW})
    dsn = database.worker_dsn
    with run_job(dsn, path) as worker:
        worker.until("BatchDone")
        paused = backfill("pause", "users-handle", "--for", "8h", "--reason", "night shift", dsn=dsn)
        assert (paused.code, paused.stderr) == (0, "")
        assert paused.stdout.startswith("users-handle: pausing until ")
        waits = (event["reason"] for event in worker.each() if event["event"] == "WaitStarted")
        reason = next(reason for reason in waits if reason["kind"] == "paused")
        assert reason["text"].endswith(" UTC (night shift)")
        assert state(database) == "paused"
        worker.kill()
    with run_job(dsn, path) as worker:
        assert next(event for event in worker.each() if event["event"] == "WaitStarted")["reason"] == reason
        assert worker.all_of("BatchDone") == []
        refused, resumed = (backfill(*words, dsn=dsn) for words in (("forget", "users-handle"), ("resume", "--all")))
        assert (refused.code, "locked by backfill:users-handle@" in refused.stderr) == (75, True)
        assert resumed.stdout == "users-handle: resumed: its worker continues within a second\n"
        worker.until("BatchDone")
        asked = json.loads(backfill("cancel", "users-handle", "--json", dsn=dsn).stdout)
        assert (asked["job"], asked["state"]) == ("users-handle", "cancelling")
        assert worker.end() == 4, worker.stderr
        assert worker.stderr.startswith("backfill: job 'users-handle' was cancelled by ")
    assert 0 < left(database) < ROWS
    again, unknown, nothing = all_at_once(
        [["run", path, "--http", "off"], ["pause", "user-handle"], ["pause"]], dsn=dsn
    )
    assert (again.code, "backfill run JOB.yaml --restart" in again.stderr) == (4, True)
    assert (unknown.code, "did you mean 'users-handle'?" in unknown.stderr) == (2, True)
    assert (nothing.code, nothing.stderr) == (
        2,
        "backfill: name a job, or give --all: backfill pause JOB, or backfill pause --all\n",
    )
    forgotten = backfill("forget", "users-handle", dsn=dsn)
    assert (forgotten.code, forgotten.stdout) == (0, "users-handle: forgotten; filled rows stay filled\n")
