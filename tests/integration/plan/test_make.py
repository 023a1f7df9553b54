"""What `backfill plan` measures and tells: real batches, of which nothing stays."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import psycopg
import pytest

from backfill.events.plan import Plan
from backfill.postgres.plan.dry_run import ROWS_MAX
from backfill.postgres.plan.make import make_plan
from tests.fixtures_postgres import Database
from tests.integration.jobs import job_file, make_users, run_sql

pytestmark = pytest.mark.anyio

ROWS = 6000
VERSIONS = "select md5(string_agg(ctid::text || xmin::text || t::text, ',' order by ctid)) from users t"
SIZE = "select pg_relation_size('users')"


@pytest.fixture
def users(shared: Database) -> Database:
    """Table users anew, each of its pages older than the last checkpoint."""
    run_sql(shared, "drop table if exists users cascade", "drop schema if exists backfill cascade")
    make_users(shared, ROWS)
    run_sql(shared, "checkpoint")
    return shared


@pytest.fixture
def worker(users: Database) -> Iterator[str]:
    """A role that may plan: it sees replication, and may update the column."""
    name = f"planner_{secrets.token_hex(4)}"
    run_sql(users, f"create role {name} login password 'secret'", f"grant pg_monitor to {name}")
    run_sql(users, f"grant select, update (handle) on users to {name}")
    yield name
    run_sql(users, f"drop owned by {name}", f"drop role {name}")


def modern(database: Database) -> bool:
    return database.query("select current_setting('server_version_num')::int >= 150000") == [(True,)]


async def plan_of(database: Database, *, measuring: bool = True, **keys: object) -> Plan:
    return await make_plan(database.dsn, job_file(**keys), measuring=measuring)


async def test_two_batches_are_measured_and_nothing_of_them_stays(users: Database):
    before = users.query(VERSIONS)
    plan = await plan_of(users)
    assert users.query(VERSIONS) == before
    plain, compressed = plan.costs.plain, plan.costs.compressed
    assert plain is not None
    assert compressed is not None
    assert 0 < plain.rows <= ROWS_MAX
    assert 0 < compressed.rows <= ROWS_MAX
    assert (plain.first_page, plain.compression) == (0, None)
    assert compressed.first_page > plain.last_page
    assert (plan.costs.unmeasured, plan.costs.uncompressed) == ("", "")
    assert plain.images > plain.last_page - plain.first_page
    assert plain.image_bytes is not None
    assert 4096 < plain.image_bytes < 9000
    assert 100 < plain.row_records_bytes < 800
    assert plan.image_ratio is not None
    assert plan.image_ratio < 0.6


async def test_the_whole_is_what_the_rows_and_the_pages_cost(users: Database):
    plan = await plan_of(users)
    assert plan.rows_to_do is not None
    assert plan.rows_to_do == pytest.approx(ROWS, rel=0.05)
    assert plan.costs.plain is not None
    assert plan.forecast is not None
    assert plan.forecast_compressed is not None
    records = plan.rows_to_do * plan.costs.plain.row_records_bytes
    assert records < plan.forecast_compressed.wal_bytes < plan.forecast.wal_bytes < records + 1.2 * plan.total_bytes
    assert plan.forecast.at_max_wal_rate_s == pytest.approx(plan.forecast.wal_bytes / (32 << 20))


async def test_the_forecast_is_no_less_than_what_a_job_in_one_stripe_writes(users: Database):
    """Measured against the truth: the same UPDATE of all rows, from a checkpoint on."""
    plan = await plan_of(users, batch={"stripes": 1})
    assert plan.forecast is not None
    run_sql(users, "checkpoint")
    lsn = "select pg_current_wal_insert_lsn() - '0/0'"
    [(before,)] = users.query(lsn)
    run_sql(users, "update users set handle = username where handle is null")
    [(after,)] = users.query(lsn)
    assert plan.forecast.wal_bytes == pytest.approx(float(after - before), rel=0.3)


async def test_layouts_are_what_a_run_would_choose(users: Database):
    plan = await plan_of(users)
    assert plan.stripes > 1
    [why] = plan.layouts
    assert why.startswith(f"{plan.stripes} stripes: a page has ")
    assert (await plan_of(users, batch={"stripes": 1}, measuring=False)).stripes == 1
    run_sql(users, "create index on users (handle)")
    assert (await plan_of(users, measuring=False)).layouts == ("plain: handle is indexed, no update can be HOT",)


async def test_without_measuring_no_batch_is_run(users: Database):
    before = users.query(SIZE)
    plan = await plan_of(users, measuring=False)
    assert users.query(SIZE) == before
    assert (plan.costs.plain, plan.costs.unmeasured) == (None, "--no-measure was given")
    assert (plan.forecast, plan.forecast_compressed) == (None, None)
    await plan_of(users)
    assert users.query(SIZE) > before, "a batch that is rolled back leaves its versions for VACUUM"


async def test_a_role_that_may_not_compress_is_told_what_would_let_it(users: Database, worker: str):
    plan = await make_plan(users.dsn_for(worker, "secret"), job_file())
    mend = f"run: GRANT SET ON PARAMETER wal_compression TO {worker};"
    mend = mend if modern(users) else "that needs a superuser before PostgreSQL 15"
    assert plan.costs.plain is not None
    assert (plan.costs.compressed, plan.costs.uncompressed) == (
        None,
        f"role '{worker}' may not set wal_compression; {mend}",
    )
    if modern(users):
        run_sql(users, f"grant set on parameter wal_compression to {worker}")
        assert (await make_plan(users.dsn_for(worker, "secret"), job_file())).costs.compressed is not None


async def test_a_row_that_somebody_has_locked_is_the_reason_for_no_figures(users: Database):
    with psycopg.connect(users.dsn) as other:
        other.execute("select from users where id = 1 for update")
        plan = await plan_of(users, lock_timeout="50ms")
    assert plan.costs.plain is None
    assert plan.costs.unmeasured == "canceling statement due to lock timeout"


async def test_a_row_that_the_update_would_break_is_told_before_the_run(users: Database):
    run_sql(users, "alter table users add check (handle <> 'user7')")
    assert (await plan_of(users)).costs.unmeasured.startswith('new row for relation "users" violates check constraint')


async def test_a_fault_that_would_stop_a_run_stops_the_measurement(users: Database):
    plan = await plan_of(users, throttle={"replicas": {"require": ["replica-z"]}})
    assert plan.costs.plain is None
    assert plan.costs.unmeasured == (
        "replica-z is not connected (missing from pg_stat_replication); it is in replicas.require"
    )


async def test_rows_that_cannot_converge_are_noticed(users: Database):
    plan = await plan_of(users, set={"handle": "nullif(username, 'user7')"})
    assert plan.costs.plain is not None
    rows = plan.costs.plain.rows
    assert plan.notices[0] == f"'where' stays true for 1 of {rows:,} measured rows: they cannot converge"
    plan = await plan_of(users, set={"handle": "NULL"})
    assert plan.notices[0] == (
        "'where' stays true for every row of the measured batch: a run would roll back such a first batch"
    )


@pytest.mark.parametrize(
    ("make", "unmeasured"),
    [("update users set handle = username", "no row to do was found"), ("truncate users", "the table is empty")],
)
async def test_where_there_is_nothing_to_do_there_is_nothing_to_measure(users: Database, make: str, unmeasured: str):
    run_sql(users, make)
    plan = await plan_of(users)
    assert (plan.costs.plain, plan.costs.unmeasured, plan.forecast) == (None, unmeasured, None)


async def test_a_table_too_small_for_a_second_batch_has_one_measurement(users: Database):
    run_sql(users, "delete from users where id > 500", "vacuum users")
    plan = await plan_of(users)
    assert plan.costs.plain is not None
    assert (plan.costs.plain.rows, plan.costs.uncompressed) == (500, "too few rows for another batch")
