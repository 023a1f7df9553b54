"""What changes under a daemon: limits of a running job take effect, another spec is refused, order and resumes are kept."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.command import backfill
from tests.acceptance.test_serving import serving, wait_for
from tests.acceptance.worker import JOB, left, make_users
from tests.fixtures_postgres import Database

pytestmark = pytest.mark.long  # the daemon looks every five seconds

ROWS = 20_000
SLOW = JOB.replace("1GB/s", "256kB/s")
LOGIN = JOB.replace("users-handle", "users-login").replace("handle: username", "login: handle")
LATER = LOGIN.replace("handle IS NULL", "login IS NULL") + "after: [users-handle]\n"


def finished(log: Path, job: str, state: str) -> dict[str, Any]:
    def matches(line: dict[str, Any]) -> bool:
        return (line["event"], line.get("job"), line.get("state")) == ("finished", job, state)

    return dict(wait_for(log, matches, 40.0))


def lines(log: Path, event: str) -> list[dict[str, Any]]:
    return [line for line in map(json.loads, log.read_text().splitlines()) if line["event"] == event]


def test_a_running_job_takes_new_limits_refuses_another_spec_and_the_next_one_waits_for_it(
    database: Database, tmp_path: Path
):
    make_users(database, ROWS)
    database.query("alter table users add column login text")
    jobs = tmp_path / "jobs"
    jobs.mkdir()
    (jobs / "10-login.yaml").write_text(LATER)
    (jobs / "20-handle.yaml").write_text(SLOW)
    with serving(database.worker_dsn, jobs) as (process, _, log):
        wait_for(log, lambda line: line["event"] == "started")
        waits = wait_for(log, lambda line: line["event"] == "wait_started" and line["reason"] == "after")
        assert (waits["job"], waits["why"]) == ("users-login", "waits for job 'users-handle': not started yet")
        (jobs / "20-handle.yaml").write_text(SLOW.replace("handle: username", "handle: upper(username)"))
        refused = wait_for(log, lambda line: line["event"] == "job_ended")
        assert refused["why"].startswith(
            f"{jobs}/20-handle.yaml:4:11: job 'users-handle' was started with another file\n"
        )
        assert "\n- set.handle: username\n+ set.handle: upper(username)\n" in refused["why"]
        assert left(database) > 0
        (jobs / "20-handle.yaml").write_text(JOB)
        stopped = finished(log, "users-handle", "stopped")
        assert "its file changed; it continues at the checkpoint with the new limits" in stopped["why"]
        assert 0 < stopped["rows_total"] < ROWS
        assert finished(log, "users-handle", "done")["rows_total"] == ROWS
        finished(log, "users-login", "done")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 143
    first, second = (line for line in lines(log, "started") if line["job"] == "users-handle")
    assert (first["resumed"], second["resumed"]) == (False, True)
    assert (first["max_wal_rate_bytes_s"], second["max_wal_rate_bytes_s"]) == (256 * 1024, 1024**3)
    assert left(database) == 0
    assert database.query("select count(*) from users where login is distinct from username") == [(0,)]


def test_a_resume_has_a_job_that_failed_tried_again_at_once(database: Database, tmp_path: Path):
    make_users(database, 500)
    database.query("alter table users add constraint short check (length(handle) < 3)")
    jobs = tmp_path / "jobs"
    jobs.mkdir()
    (jobs / "handle.yaml").write_text(JOB)
    with serving(database.worker_dsn, jobs) as (_, _, log):
        finished(log, "users-handle", "failed")
        database.query("alter table users drop constraint short")
        resumed = backfill("resume", "users-handle", dsn=database.worker_dsn)
        assert resumed.stdout == (
            "users-handle: resumed; a daemon tries it again within seconds; without one: backfill run JOB.yaml\n"
        )
        finished(log, "users-handle", "done")  # in less time than the minute after which it is tried again anyway
    assert left(database) == 0
