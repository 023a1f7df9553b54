"""Partitions and children: each is filled as a table of its own, those that come and go during the run included."""

from __future__ import annotations

import threading
import time

import anyio
import psycopg
import pytest
from psycopg.sql import SQL

from backfill.events.batch import BatchDone
from backfill.events.event import Event
from backfill.events.job import Finished, RetryScheduled, Started
from backfill.events.leaf import LeafDone, LeafRemoved, LeafStarted
from backfill.postgres.catalog.check_expressions import prepare
from backfill.postgres.catalog.table import read_table
from backfill.postgres.plan.make import make_plan
from backfill.postgres.state.status import read_status
from backfill.values.identifier import TableName
from tests.fixtures_postgres import Database
from tests.integration.catalog.leaves_of_users import FILL, PARENT, TREES, of, partitioned, ranges, told
from tests.integration.jobs import STATEMENTS, connected, job_file, run, run_sql

pytestmark = pytest.mark.anyio


LEFT = "select count(*) from users where handle is distinct from username"


@pytest.mark.parametrize(("tree", "lanes"), [*((tree, 1) for tree in TREES), ("several levels", 2)])
async def test_every_partition_is_filled_as_a_table_of_its_own(empty: Database, tree: str, lanes: int):
    leaves = list(TREES[tree])
    by = leaves.pop(0).removeprefix("by ") if leaves[0].startswith("by ") else "range (id)"
    partitioned(empty, *leaves, by=by)
    finished, events = await run(empty.worker_dsn, job_file(lanes=lanes))
    assert (finished.state, finished.rows_total) == ("done", 3000)
    assert empty.query(LEFT) == [(0,)]
    names = [one.split()[0] for one in leaves if not one.startswith("upper")]
    assert [event.leaf for event in of(events, LeafStarted)] == [f"public.{name}" for name in names]
    assert [(event.number, event.leaves) for event in of(events, LeafDone)] == [
        (number, len(names)) for number in range(1, len(names) + 1)
    ]
    [started] = of(events, Started)
    assert (started.table, started.leaves) == ("public.users", len(names))
    ratios = [event.progress_ratio for event in of(events, BatchDone)]
    assert ratios == sorted(ratios)
    assert ratios[0] < 0.5
    assert empty.query("select distinct leaf from backfill.batch order by 1") == [(f"public.{name}",) for name in names]
    [status] = await read_status(empty.dsn, None)
    assert (status.state, status.rows_total, status.leaves, status.progress_ratio) == ("done", 3000, len(names), 1.0)


async def test_a_job_that_is_done_makes_a_pass_over_all_leaves_when_it_is_run_again(empty: Database):
    partitioned(empty, *ranges(3))
    await run(empty.worker_dsn, job_file())
    run_sql(empty, "update users set handle = null where id in (1, 1500, 3000)")
    finished, events = await run(empty.worker_dsn, job_file())
    assert (finished.state, finished.rows_total) == ("done", 3003)
    assert [event.resumed for event in of(events, LeafStarted)] == [True] * 3
    assert empty.query(LEFT) == [(0,)]


async def test_leaves_that_differ_are_filled_by_the_columns_of_their_parent(empty: Database):
    """Other orders, dropped and added columns, own keys, own triggers; the expressions name the parent."""
    run_sql(
        empty,
        PARENT + " partition by range (id)",
        "create table users_1 (handle text, gone int, username text, id int primary key)",
        "alter table users_1 drop column gone",
        "alter table users attach partition users_1 for values from (1) to (1001)",
        "create table users_2 partition of users for values from (1001) to (3001)",
        "create function louder() returns trigger language plpgsql as"
        " 'begin new.handle = upper(new.handle); return new; end'",
        "create trigger b before update on users_2 for each row execute function louder()",
        f"insert into users (id, username) {FILL.format(3000)}",
        "create function of_user(text) returns text language sql immutable as 'select $1'",
    )
    job = job_file(
        set={"handle": "coalesce(users.username, of_user(users.username))"},
        where="users.handle IS NULL AND EXISTS (SELECT FROM generate_series(1, 1) n WHERE n < users.id + 1)",
    )
    finished, _ = await run(empty.worker_dsn, job)
    assert (finished.state, finished.rows_total) == ("done", 3000)
    assert empty.query("select bool_and(handle = username) from users_1") == [(True,)]
    assert empty.query("select bool_and(handle = upper(username)) from users_2") == [(True,)]


async def test_what_inherits_is_filled_too_with_columns_of_its_own(empty: Database):
    run_sql(
        empty,
        PARENT,
        "create table child (level int default 7) inherits (users)",
        "create table grandchild (handle_of_child text) inherits (child)",
        *(f"insert into {one} (id, username) {FILL.format(500)}" for one in ("users", "child", "grandchild")),
    )
    with psycopg.connect(empty.dsn, autocommit=True) as other:
        other.execute("create temporary table passing () inherits (users)")
        other.execute("insert into passing (id, username) values (1, 'not ours')")
        finished, events = await run(empty.worker_dsn, job_file(set={"handle": "users.username"}))
        assert other.execute("select count(handle) from only passing").fetchone() == (0,)
    assert (finished.state, finished.rows_total) == ("done", 1500)
    assert [event.leaf for event in of(events, LeafDone)] == ["public.users", "public.child", "public.grandchild"]
    assert empty.query("select count(*), count(handle) from users") == [(1500, 1500)]


async def test_rows_that_cannot_converge_are_summed_and_sampled_over_all_leaves(empty: Database):
    partitioned(empty, *ranges(3))
    run_sql(empty, "update users set username = null where id in (7, 1007, 1008, 2007)")
    finished, events = await run(empty.worker_dsn, job_file())
    assert (finished.state, finished.rows_unconverged) == ("unconverged", 4)
    assert "4 rows cannot converge" in finished.why
    assert sorted(one.split(" (")[0] for one in finished.samples) == [
        "public.users_0",
        "public.users_1",
        "public.users_1",
        "public.users_2",
    ]
    assert [event.rows_unconverged for event in of(events, LeafDone)] == [1, 3, 4]


async def test_a_partition_that_comes_during_the_run_is_filled_too(empty: Database):
    partitioned(empty, *ranges(3))
    run_sql(
        empty,
        "create table apart (like users)",
        "insert into apart select 4000 + i, 'a' || i from generate_series(1, 9) i",
    )

    def attach(event: Event) -> None:
        if isinstance(event, LeafDone) and event.leaf == "public.users_2":
            run_sql(empty, "alter table users attach partition apart for values from (4000) to (5000)")

    finished, events = await told(empty.dsn, job_file(), attach)
    assert (finished.state, finished.rows_total) == ("done", 3009)
    assert [(one.leaf, one.number, one.leaves) for one in of(events, LeafStarted)][-1] == ("public.apart", 4, 4)
    assert empty.query(LEFT) == [(0,)]


GONE = {
    "detached": "alter table users detach partition users_1",
    "detached concurrently": "alter table users detach partition users_1 concurrently",
    "dropped": "drop table users_1",
    "renamed": "alter table users_1 rename to users_9",
}


@pytest.mark.parametrize(("how", "lanes"), [*((how, 1) for how in GONE), ("detached", 2), ("dropped", 2)])
async def test_a_partition_that_goes_while_it_is_at_work_is_left_alone(empty: Database, how: str, lanes: int):
    partitioned(empty, *ranges(3))
    went: list[threading.Thread] = []

    def go(event: Event) -> None:
        if isinstance(event, BatchDone) and not went and event.rows_total > 1000:
            # Beside the loop: another lane may be in a batch, and this waits for its end.
            went.append(threading.Thread(target=run_sql, args=(empty, GONE[how])))
            went[0].start()

    slowly = {
        "batch": {"rows": 50, "min_rows": 1, "max_rows": 50},
        "throttle": {"max_wal_rate": "250kB/s"},
        "lock_timeout": "10s",
    }
    finished, events = await told(empty.dsn, job_file(lanes=lanes, **slowly), go)
    went[0].join()
    assert finished.state == "done"
    assert empty.query(LEFT) == [(0,)]
    [gone] = of(events, LeafRemoved)
    assert gone.leaf == "public.users_1"
    assert ("detached from 'public.users'" in gone.why) == how.startswith("detached")
    if how.startswith("detached"):
        [(batch_result,)] = empty.query("select count(handle) from users_1")
        assert 0 < batch_result < 1000
    leaves = [event.leaf for event in of(events, LeafDone)]
    assert leaves == ["public.users_0", "public.users_2", *(["public.users_9"] if how == "renamed" else [])]


async def test_a_batch_locks_from_above_as_ddl_does_so_that_they_cannot_meet_half_way(empty: Database):
    """A first UPDATE of a partition locks the parent for the constraint, behind the partition, were it not locked already."""
    partitioned(empty, *ranges(2))
    waiting = "select true from pg_locks where relation = 'users'::regclass and not granted"
    ended: list[str] = []

    def change() -> None:
        with psycopg.connect(empty.dsn) as connection:
            connection.execute("lock table only users in access exclusive mode")
            locked.set()
            while not connection.execute(waiting).fetchall():
                time.sleep(0.01)
            connection.execute("set local lock_timeout = '500ms'")
            connection.execute("lock table users in access exclusive mode")
            ended.append("locked")

    locked = threading.Event()
    thread = threading.Thread(target=change)

    def act(event: Event) -> None:
        if isinstance(event, LeafStarted) and event.number == 1:
            thread.start()
            assert locked.wait(10)

    finished, events = await told(empty.worker_dsn, job_file(lock_timeout="10s"), act)
    await anyio.to_thread.run_sync(thread.join)
    assert ended == ["locked"]
    assert of(events, RetryScheduled) == []
    assert finished.state == "done"
    assert empty.query(LEFT) == [(0,)]


async def test_a_partition_that_goes_before_its_turn_costs_nothing(empty: Database):
    partitioned(empty, *ranges(3))

    def go(event: Event) -> None:
        if isinstance(event, LeafStarted) and event.number == 1:
            run_sql(empty, "drop table users_2", "alter table users detach partition users_1")

    finished, events = await told(empty.dsn, job_file(), go)
    assert (finished.state, finished.rows_total) == ("done", 1000)
    assert {event.leaf for event in of(events, LeafRemoved)} == {"public.users_1", "public.users_2"}
    assert empty.query("select count(handle) from users_1") == [(0,)]


async def test_a_rewritten_partition_is_gone_through_again(empty: Database):
    partitioned(empty, *ranges(3))

    def rewrite(event: Event) -> None:
        if isinstance(event, LeafStarted) and event.number == 2 and not event.resumed:
            run_sql(empty, "vacuum full users_1")

    finished, _ = await told(empty.dsn, job_file(), rewrite)
    assert (finished.state, finished.rows_total) == ("done", 3000)
    assert empty.query(LEFT) == [(0,)]


async def test_a_table_without_any_partition_is_done_at_once(empty: Database):
    run_sql(empty, f"{PARENT} partition by range (id)")
    finished, events = await run(empty.worker_dsn, job_file())
    assert (finished.state, finished.rows_total) == ("done", 0)
    assert [type(event) for event in events][-2:] == [Started, Finished]


async def test_a_plan_lists_the_leaves_and_shows_the_largest_one(empty: Database):
    partitioned(empty, *ranges(3)[:2], "users_2 partition of users for values from (2001) to (5001)", rows=5000)
    plan = await make_plan(empty.dsn, job_file())
    assert [name for name, _ in plan.table.leaves] == ["public.users_0", "public.users_1", "public.users_2"]
    assert (plan.table.name, plan.table.leaf_count) == ("public.users", 3)
    assert plan.table.size_bytes == sum(size for _, size in plan.table.leaves) > 0
    assert 'ONLY "public"."users_2" AS "users"' in dict(plan.sql.statements)[plan.sql.statements[0][0]]


async def test_a_leaf_is_read_by_its_row_addresses(empty: Database):
    partitioned(empty, *ranges(2, 20_000), rows=20_000)
    run_sql(empty, "vacuum analyze users")
    job = job_file()
    values = {"tid": "(0,1)", "low": "(0,0)", "high": "(1,0)", "mask": 1, "stripes": [0] * 64, "bounds": ["(0,0)"]}
    values |= {"tids": ["(0,1)"], "rejected": [], "key": '{"id": 1}'}
    async with connected(empty.dsn, job) as connection:
        leaf = await read_table(connection, job, "postgres", TableName("public", "users_0"))
        statements = await prepare(connection, job, leaf)
        assert [name for name, _ in statements.named()] == list(STATEMENTS)
        for name, statement in statements.named():
            cursor = await connection.execute(SQL("EXPLAIN ") + statement, values)
            plan = "\n".join(row[0] for row in await cursor.fetchall())
            assert "users_0 users" in plan, "the leaf under its parent's name"
            assert " on users_1" not in plan
            by_row = ["verify", "sample_after", "row_key", "row_lock", "row_values", "find_rejected", "still_matching"]
            by_address = name in by_row or "addresses" in name or name.startswith("indexed_")
            assert ("Tid Range Scan on users_0" in plan) is not by_address, plan
