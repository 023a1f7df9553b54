"""Forecasts and progress against the truth, on ten kinds of tables that are hard to foresee.

Rows are counted or near, the WAL is within a quarter of what the job then writes, and neither passes its bound.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from backfill.events.batch import BatchDone
from backfill.events.event import Event
from backfill.postgres.plan.make import make_plan
from tests.fixtures_postgres import Database
from tests.integration.jobs import job_file, run, run_sql
from tests.integration.plan.ten_tables import TABLES

pytestmark = pytest.mark.anyio

LSN = "select pg_current_wal_insert_lsn() - '0/0'"


def shares(events: list[Event], rows: int) -> Iterator[tuple[float, float]]:
    """Yield the share of the rows that was done after each batch, and the progress that was shown."""
    done = 0
    for event in events:
        if isinstance(event, BatchDone):
            done += event.rows
            yield done / rows, event.progress_ratio


CASES = [*((name, "auto") for name in TABLES), ("fresh column", "on"), ("wide rows", "on")]


@pytest.mark.parametrize(("name", "compression"), CASES)
async def test_a_plan_is_near_what_the_job_does_and_never_below(shared: Database, name: str, compression: str):
    """No standby is counted: how fast they are decides when `auto` begins to compress, and nothing else here."""
    table = TABLES[name]
    run_sql(shared, "drop table if exists t cascade", "drop function if exists touch cascade")
    run_sql(shared, "drop schema if exists backfill cascade", *table.make, "checkpoint")
    [(rows,)] = shared.query("select count(*) from t where handle is null")
    job = job_file(
        name="t",
        table="public.t",
        wal_compression=compression,
        batch={"rows": 500, "max_rows": 1000},
        throttle={"replicas": {"ignore": ["*"]}},
    )
    plan = await make_plan(shared.dsn, job)
    [(before,)] = shared.query(LSN)
    finished, events = await run(shared.dsn, job)
    [(after,)] = shared.query(LSN)
    assert (finished.state, finished.rows_total) == ("done", rows)
    for done, shown in shares(events, rows):
        assert shown == pytest.approx(done, abs=0.05)
    assert plan.to_do.estimate is not None
    assert plan.forecast is not None
    assert plan.to_do.estimate.rows == rows
    assert plan.forecast.wal_bytes == pytest.approx(finished.wal_bytes, rel=0.25)
    assert plan.forecast.low_bytes < finished.wal_bytes
    assert after - before < plan.forecast.most_bytes


async def test_what_others_write_meanwhile_is_not_foreseen_as_ours(shared: Database):
    """A plan is made on a live server: its own records are counted, and not how far the WAL has come."""
    run_sql(shared, "drop table if exists t cascade", "drop schema if exists backfill cascade")
    run_sql(shared, *TABLES["fresh column"].make, "create table noise (note text)", "checkpoint")
    job = job_file(name="t", table="public.t", throttle={"replicas": {"ignore": ["*"]}})
    over = threading.Event()

    def write() -> None:
        while not over.is_set():
            shared.query("insert into noise select repeat('x', 500) from generate_series(1, 200)")

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        try:
            plan = await make_plan(shared.dsn, job)
        finally:
            over.set()
        writing.result()
    finished, _ = await run(shared.dsn, job)
    assert plan.forecast is not None
    assert plan.forecast.wal_bytes == pytest.approx(finished.wal_bytes, rel=0.25)
