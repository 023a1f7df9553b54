"""The table as a run leaves it: smaller where it was vacuumed on the way, and the same rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from backfill.sandbox.wait import wait_until
from tests.acceptance.command import backfill
from tests.acceptance.worker import JOB, left, make_users, run_job, write_job
from tests.fixtures_postgres import Database

ROWS = 60_000

pytestmark = pytest.mark.timeout(120)


def grown(database: Database, directory: Path, vacuum: str) -> tuple[float, list[dict[str, object]]]:
    """Fill a fresh table in plain batches; return by how much it grew, and the ends of vacuums."""
    database.query("drop table if exists users")
    database.query("truncate backfill.job cascade")
    make_users(database, ROWS)
    let_vacuum(database)
    [(before,)] = database.query("select pg_relation_size('users')")
    text = JOB + f"vacuum: {vacuum}\nbatch: {{stripes: 1, rows: 1000, max_rows: 1000}}\n"
    with run_job(database.worker_dsn, write_job(directory, text)) as worker:
        assert worker.end() == 0, worker.stderr
        ends = worker.all_of("VacuumDone")
        assert len(ends) == len(worker.all_of("VacuumStarted"))
    assert left(database) == 0
    [(after,)] = database.query("select pg_relation_size('users')")
    return float(after / before), ends


def let_vacuum(database: Database) -> None:
    """Before 17 there is no MAINTAIN: a worker has to be a member of the table's owner."""
    if database.query("select 1 where current_setting('server_version_num')::int < 170000"):
        database.query(f"alter table users owner to {database.worker}")


def test_a_table_that_is_vacuumed_as_it_is_filled_ends_smaller(database: Database, tmp_path: Path):
    alone, none = grown(database, tmp_path, "off")
    assert none == []
    vacuumed, ends = grown(database, tmp_path, "auto")
    assert "done" in {one["result"] for one in ends}
    assert alone > 2.0
    assert vacuumed < 1.8
    sessions = (
        "select pid from pg_stat_activity where datname = current_database() and application_name like 'backfill:%%'"
    )
    wait_until(lambda: database.query(sessions) == [], "the worker's sessions end with it")
    assert "users-handle: vacuum " in backfill("status", dsn=database.worker_dsn).stdout
