"""Forecasts and progress against the truth, on ten kinds of tables that are hard to foresee.

Rows are counted or near, the WAL is within a quarter of what the job then writes, and neither passes its bound.
"""

from __future__ import annotations

from collections.abc import Iterator

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
