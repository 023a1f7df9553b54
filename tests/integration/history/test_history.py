"""The history of a job: what a worker keeps of it, what a report reads, during the run and after it, until it is forgotten."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest
from typer.testing import CliRunner

from backfill.cli.root import app
from backfill.events.history.span import HistorySpan, WorstReading
from backfill.observe.report.page import report_page
from backfill.postgres.history.read import HOUR_S, HOURS_BY_MINUTE, MINUTE_S, read_history
from backfill.postgres.state.removal import forget_job
from backfill.values.errors import Halted, JobError
from tests.fixtures_postgres import Database
from tests.integration.jobs import job_file, make_users, open_leaf, run, run_sql, session

pytestmark = pytest.mark.anyio

ROWS = 1000
JOB = job_file(throttle={"replicas": {"ignore": ["*"]}})
NAME = "users-handle"
SPAN = HistorySpan(
    batches=2,
    rows=100,
    rows_hot=80,
    wal_bytes=5000,
    batch_rows_max=60,
    waits={"lag": 1.5},
    signals={"replica_lag_s": {"replica-a": WorstReading(3.0, 10.0), "": WorstReading(None, None, unknown=True)}},
)
LATER = HistorySpan(
    batches=1,
    rows=10,
    rows_hot=10,
    wal_bytes=50,
    batch_rows_max=10,
    waits={"lag": 0.5, "slot": 2.0},
    signals={"replica_lag_s": {"replica-a": WorstReading(1.0, 5.0)}},
)


@pytest.fixture
def users(shared: Database) -> Database:
    """Table users anew, and no job in the state schema."""
    run_sql(shared, "drop table if exists users cascade", "drop schema if exists backfill cascade")
    make_users(shared, ROWS)
    return shared


async def test_a_run_leaves_its_history_and_a_report_of_it(users: Database):
    await run(users.dsn, JOB)
    kept = await read_history(users.dsn, NAME)
    assert (kept.state, kept.rows_total, kept.table, kept.span_s) == ("done", ROWS, "public.users", MINUTE_S)
    assert sum(point.span.rows for point in kept.points) == ROWS
    assert sum(point.span.wal_bytes for point in kept.points) > 0
    assert [record.proof is not None and record.proof.rows_left for record in kept.proofs] == [0]
    assert kept.table_bytes
    page = report_page(kept)
    assert "no row is left" in page
    assert "1,000" in page


async def test_what_happens_in_the_same_minute_is_added_up(users: Database):
    async with session(users.dsn, JOB) as worker:
        await open_leaf(worker)
        for _ in range(5):  # the minute may end between the two
            run_sql(users, "delete from backfill.history")
            await worker.save_history(SPAN)
            await worker.save_history(LATER)
            if users.query("select count(*) from backfill.history") == [(2,)]:
                break
        assert users.query("select span_s, rows from backfill.history order by 1") == [(MINUTE_S, 110), (HOUR_S, 110)]
        [point] = (await read_history(users.dsn, NAME)).points
        worst = {"replica-a": WorstReading(3.0, 5.0), "": WorstReading(None, None, unknown=True)}
        assert point.span == HistorySpan(
            batches=3,
            rows=110,
            rows_hot=90,
            wal_bytes=5050,
            batch_rows_max=60,
            waits={"lag": 2.0, "slot": 2.0},
            signals={"replica_lag_s": worst},
        )


async def test_a_ring_keeps_a_day_of_minutes_and_a_year_of_hours(users: Database):
    async with session(users.dsn, JOB) as worker:
        await open_leaf(worker)
        await worker.save_history(SPAN)
        run_sql(users, "update backfill.history set at = at - make_interval(secs => span_s * 10000)")
        await worker.save_history(LATER)
        newest = users.query(
            "select span_s, max(rows) from backfill.history where at > now() - interval '2 hours' group by 1 order by 1"
        )
        assert newest == [(MINUTE_S, 10), (HOUR_S, 10)]


async def test_a_long_job_is_shown_by_the_hour(users: Database):
    async with session(users.dsn, JOB) as worker:
        await open_leaf(worker)
        await worker.save_history(SPAN)
        run_sql(
            users,
            "insert into backfill.history select job, span_s, (ring + n) % 8784, at - n * interval '1 hour', batches, rows,"
            " rows_hot, wal_bytes, batch_rows_max, waits, signals from backfill.history, generate_series(1, 30) n"
            " where span_s = 3600",
        )
        kept = await read_history(users.dsn, NAME)
        assert kept.span_s == HOUR_S
        assert len(kept.points) > HOURS_BY_MINUTE


async def test_forget_removes_the_history_and_then_there_is_no_report(users: Database):
    await run(users.dsn, JOB)
    await forget_job(users.dsn, NAME)
    assert users.query("select count(*) from backfill.history") == [(0,)]
    with pytest.raises(JobError, match="no job 'users-handle' in this database; backfill status lists all"):
        await read_history(users.dsn, NAME)


def test_the_command_writes_the_page_to_a_file_or_to_standard_output(users: Database, tmp_path: Path):
    anyio.run(run, users.dsn, JOB)
    page, nowhere = tmp_path / "report.html", tmp_path / "no" / "report.html"
    written = CliRunner().invoke(app, ["report", NAME, "--dsn", users.dsn, "--output", str(page)])
    assert (written.exit_code, written.stdout) == (0, f"users-handle: report written to {page}\n")
    shown = CliRunner().invoke(app, ["report", NAME, "--dsn", users.dsn])
    assert shown.stdout.startswith("<!doctype html>")
    assert page.read_text().partition("Made by")[0] == shown.stdout.partition("Made by")[0]
    refused = CliRunner().invoke(app, ["report", NAME, "--dsn", users.dsn, "--output", str(nowhere)])
    assert isinstance(refused.exception, JobError)
    assert str(refused.exception) == f"cannot write {nowhere}: no such file or directory; give another --output"


async def test_a_history_that_was_changed_by_hand_is_reported_as_such(users: Database):
    await run(users.dsn, JOB)
    run_sql(users, """update backfill.history set waits = '{"lag": "long"}'""")
    with pytest.raises(Halted, match=r"in backfill\.history was changed by hand: waits holds what is not a number"):
        await read_history(users.dsn, NAME)
