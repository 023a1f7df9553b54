"""What `backfill plan` measures and tells: real batches, of which nothing stays."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from itertools import pairwise

import psycopg
import pytest

from backfill.events.plan import Plan
from backfill.postgres.plan.dry_run import PLACES, ROWS_MAX
from backfill.postgres.plan.make import make_plan
from backfill.table.estimate.row_sample import RowEstimate
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


async def test_batches_all_over_the_table_are_measured_and_nothing_of_them_stays(users: Database):
    before = users.query(VERSIONS)
    plan = await plan_of(users)
    assert users.query(VERSIONS) == before
    measured, compressed = [place.measured for place in plan.costs.places], plan.costs.compressed
    assert len(measured) == PLACES
    assert compressed is not None
    assert all(0 < one.rows <= ROWS_MAX and one.heap_images == one.pages for one in (*measured, compressed))
    assert all(one.last_page < other.first_page for one, other in pairwise(measured))
    assert measured[-1].last_page > 0.8 * plan.table.pages
    assert (plan.costs.unmeasured, plan.costs.uncompressed) == ("", "")
    assert all(100 < one.row_wal_bytes < 800 for one in measured)
    assert plan.costs.image_ratio is not None
    assert plan.costs.image_ratio < 0.6


async def test_rows_are_counted_whatever_the_statistics_say(users: Database):
    run_sql(users, "alter table users add column nick text")
    plan = await plan_of(users, set={"nick": "username"}, where="nick IS NULL")
    assert plan.to_do.estimate == RowEstimate(ROWS, ROWS, ROWS, ROWS)
    assert (plan.to_do.pages_read, plan.to_do.why) == (plan.table.pages, "")
    assert plan.table.rows == ROWS


async def test_a_where_that_fails_on_a_row_leaves_the_rows_unknown(users: Database):
    plan = await plan_of(users, where="handle IS NULL AND 1 / (id - 3) <> 0", measuring=False)
    assert plan.to_do.estimate is None
    assert plan.to_do.why == "division by zero"


async def test_the_forecast_is_near_what_a_job_in_one_stripe_writes(users: Database):
    """Measured against the truth: the same UPDATE of all rows, from a checkpoint on."""
    run_sql(users, "checkpoint")
    plan = await plan_of(users, batch={"stripes": 1}, wal_compression="off")
    assert plan.forecast is not None
    lsn = "select pg_current_wal_insert_lsn() - '0/0'"
    [(before,)] = users.query(lsn)
    run_sql(users, "update users set handle = username where handle is null")
    [(after,)] = users.query(lsn)
    assert plan.forecast.wal_bytes == pytest.approx(float(after - before), rel=0.25)
    assert after - before < plan.forecast.most_bytes


async def test_an_index_on_a_column_that_a_trigger_sets_is_noticed(users: Database):
    run_sql(
        users,
        "alter table users add column changed_at timestamptz not null default now()",
        "create index on users (changed_at)",
        "create function touch_users() returns trigger language plpgsql as"
        " $$begin new.changed_at := clock_timestamp(); return new; end$$",
        "create trigger touch before update on users for each row execute function touch_users()",
        "vacuum analyze users",
    )
    before = users.query(VERSIONS)
    plan = await plan_of(users)
    assert users.query(VERSIONS) == before
    assert plan.layout.why == ("plain: changed_at is indexed, no update can be HOT",)
    assert "a BEFORE UPDATE trigger changes changed_at, which an index has: no update can be HOT" in plan.against
    run_sql(users, "drop function touch_users cascade")
    assert not [one for one in (await plan_of(users)).against if "HOT" in one]


async def test_layouts_are_what_a_run_would_choose(users: Database):
    plan = await plan_of(users)
    assert plan.layout.stripes > 1
    assert f"{plan.layout.stripes} stripes: a page has " in str(plan.layout.why)
    assert (await plan_of(users, batch={"stripes": 1}, measuring=False)).layout.stripes == 1
    run_sql(users, "create index on users (handle)")
    assert (await plan_of(users, measuring=False)).layout.why == ("plain: handle is indexed, no update can be HOT",)


async def test_without_measuring_no_batch_is_run(users: Database):
    before = users.query(SIZE)
    plan = await plan_of(users, measuring=False)
    assert users.query(SIZE) == before
    assert (plan.costs.places, plan.costs.unmeasured) == ((), "--no-measure was given")
    assert plan.forecast is None
    await plan_of(users)
    assert users.query(SIZE) > before, "a batch that is rolled back leaves its versions for VACUUM"


async def test_a_role_that_may_not_compress_learns_what_would_let_it(users: Database, worker: str):
    plan = await make_plan(users.dsn_for(worker, "secret"), job_file())
    mend = f"run: GRANT SET ON PARAMETER wal_compression TO {worker};"
    mend = mend if modern(users) else "that needs a superuser before PostgreSQL 15"
    assert plan.costs.places
    assert (plan.costs.compressed, plan.costs.uncompressed) == (
        None,
        f"role '{worker}' may not set wal_compression; {mend}",
    )
    if modern(users):
        run_sql(users, f"grant set on parameter wal_compression to {worker}")
        assert (await make_plan(users.dsn_for(worker, "secret"), job_file())).costs.compressed is not None


async def test_a_row_that_somebody_has_locked_is_the_reason_for_no_figures(users: Database):
    with psycopg.connect(users.dsn) as other:
        other.execute("select from users for update")
        plan = await plan_of(users, lock_timeout="50ms")
    assert not plan.costs.places
    assert plan.costs.unmeasured == "canceling statement due to lock timeout"


async def test_a_row_that_the_update_would_break_is_reported_before_the_run(users: Database):
    run_sql(users, "alter table users add check (handle not like 'user%')")
    assert (await plan_of(users)).costs.unmeasured.startswith('new row for relation "users" violates check constraint')


async def test_a_fault_that_would_stop_a_run_stops_the_measurement(users: Database):
    plan = await plan_of(users, throttle={"replicas": {"require": ["replica-z"]}})
    assert not plan.costs.places
    assert plan.costs.unmeasured == (
        "replica-z is not connected (missing from pg_stat_replication); it is in replicas.require"
    )


async def test_rows_that_cannot_converge_are_noticed(users: Database):
    plan = await plan_of(users, set={"handle": "CASE WHEN id % 100 <> 7 THEN username END"})
    [first, *_] = [place.measured for place in plan.costs.places]
    assert plan.against[0] == (
        f"'where' stays true for {first.rows_unconverged} of {first.rows:,} measured rows: they cannot converge"
    )
    assert 0 < first.rows_unconverged < 5
    plan = await plan_of(users, set={"handle": "NULL"})
    assert plan.against[0] == (
        "'where' stays true for every row of the measured batch: a run would roll back such a first batch"
    )


@pytest.mark.parametrize(
    ("make", "unmeasured"),
    [("update users set handle = username", "no row to do was found"), ("truncate users", "the table is empty")],
)
async def test_where_there_is_nothing_to_do_there_is_nothing_to_measure(users: Database, make: str, unmeasured: str):
    run_sql(users, make)
    plan = await plan_of(users)
    assert (plan.costs.places, plan.costs.unmeasured, plan.forecast) == ((), unmeasured, None)
    assert plan.to_do.estimate == RowEstimate(0, 0, 0, 0)


async def test_a_table_too_small_for_several_batches_has_one_measurement(users: Database):
    run_sql(users, "delete from users where id > 15", "vacuum users")
    plan = await plan_of(users)
    [place] = plan.costs.places
    assert (place.measured.rows, plan.costs.compressed, plan.costs.uncompressed) == (
        15,
        None,
        "too few rows for another batch",
    )
