"""Partitions and children: each is filled as a table of its own, those that come and go during the run included."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import anyio
import psycopg
import pytest
from psycopg.sql import SQL

from backfill.engine.ports import Runtime
from backfill.engine.supervisor import JobSupervisor
from backfill.events.batch import BatchDone
from backfill.events.event import Event
from backfill.events.job import Finished, LockWaiting, RetryScheduled, Started
from backfill.events.leaf import LeafDone, LeafRemoved, LeafStarted
from backfill.jobfile.load import JobFile
from backfill.postgres.catalog.check_expressions import prepare
from backfill.postgres.catalog.table import read_table
from backfill.postgres.plan.make import make_plan
from backfill.postgres.state.status import read_status
from backfill.postgres.work.job_session import PgJobSession as Session
from backfill.values.errors import Halted, JobError
from backfill.values.identifier import TableName
from tests.fixtures_postgres import Database
from tests.integration.jobs import STATEMENTS, connected, job_file, run, run_sql, session

pytestmark = pytest.mark.anyio

PARENT = "create table users (id int, username text, handle text)"
FILL = "select i, 'u' || i from generate_series(1, {}) i"
LEFT = "select count(*) from users where handle is distinct from username"


@pytest.fixture
def empty(shared: Database) -> Database:
    """No table users, and no state."""
    tables = ", ".join(f"users_{number}" for number in range(10))
    run_sql(
        shared,
        "drop foreign table if exists away",
        f"drop table if exists users, apart, {tables} cascade",
        "drop function if exists louder, of_user",
        "drop schema if exists backfill cascade",
    )
    return shared


def partitioned(database: Database, *leaves: str, by: str = "range (id)", rows: int = 3000) -> None:
    """Make table users of such leaves: each the rest of a CREATE TABLE, its name first."""
    run_sql(
        database,
        f"{PARENT} partition by {by}",
        *(f"create table {leaf}" for leaf in leaves),
        f"insert into users (id, username) {FILL.format(rows)}",
    )


def ranges(count: int, rows: int = 3000) -> list[str]:
    """Return so many partitions of the numbers up to `rows`."""
    step = rows // count
    return [
        f"users_{number} partition of users for values from ({number * step + (number > 0)}) to ({(number + 1) * step + 1})"
        for number in range(count)
    ]


async def told(dsn: str, job: JobFile, act: Callable[[Event], None] = lambda _: None) -> tuple[Finished, list[Any]]:
    """Run a job, and do something with each event at the moment when it is told."""
    events: list[Event] = []

    def record(event: Event) -> None:
        events.append(event)
        act(event)

    runtime = Runtime(record=record, now_s=time.monotonic, sleep=anyio.sleep, jitter=lambda: 0.5)
    return await JobSupervisor(job.job, lambda: Session(dsn, job), runtime, wait_for_lock=True).run(), events


def of(events: list[Any], kind: type[Event]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


TREES = {
    "range": ranges(3),
    "list": ("by list ((id % 3))", *(f"users_{one} partition of users for values in ({one})" for one in range(3))),
    "hash": (
        "by hash (id)",
        *(f"users_{one} partition of users for values with (modulus 3, remainder {one})" for one in range(3)),
    ),
    "a default one": [*ranges(3, 1500)[:2], "users_2 partition of users default"],
    "several levels": [
        *ranges(3)[:2],
        "upper partition of users for values from (2001) to (3001) partition by hash (username)",
        "users_2 partition of upper for values with (modulus 2, remainder 0)",
        "users_3 partition of upper for values with (modulus 2, remainder 1)",
    ],
}


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
        "create function of_user(users) returns text language sql immutable as 'select $1.username'",
    )
    job = job_file(
        set={"handle": "coalesce(users.username, of_user(users))"},
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


async def test_a_job_on_a_leaf_waits_until_that_leaf_is_free(empty: Database):
    partitioned(empty, *ranges(3))
    alone = job_file(name="alone", table="public.users_1")
    async with session(empty.dsn, alone):
        waits: list[str] = []
        with anyio.move_on_after(30) as scope:

            def heard(event: Event) -> None:
                if isinstance(event, LockWaiting):
                    waits.append(f"{event.leaf}: {event.holder}")
                    scope.cancel()

            _, _ = await told(empty.dsn, job_file(), heard)
        assert "public.users_1: backfill:alone@" in waits[0]
        assert "fills table public.users_1 for another job" in waits[0]
        assert empty.query("select count(handle) from users") == [(1000,)]
    finished, events = await run(empty.worker_dsn, job_file())
    assert (finished.state, finished.rows_total) == ("done", 3000)
    assert [event.number for event in of(events, LeafStarted)] == [2, 3], "the first one was done"


async def test_the_leaf_at_work_is_locked_for_other_jobs_and_free_afterwards(empty: Database):
    partitioned(empty, *ranges(2))
    held: list[str | None] = []

    async with session(empty.dsn, job_file()) as worker:
        await worker.begin()
        assert await worker.try_leaf("public.users_0") is None
        async with Session(empty.dsn, job_file(name="alone", table="public.users_0")) as other:
            held.append(await other.try_lock())
            await worker.close_leaf("public.users_0", None)
            held.append(await other.try_lock())
    assert "backfill:users-handle@" in str(held[0])
    assert held[1] is None


REFUSED = {
    "a foreign partition": (
        (
            "create foreign data wrapper nowhere_{0}",
            "create server nowhere_{0} foreign data wrapper nowhere_{0}",
            "create foreign table away partition of users for values from (9000) to (9999) server nowhere_{0}",
        ),
        "job.yaml:2:9: leaf 'public.away' of table 'public.users' is a foreign table; only ordinary tables can be filled",
    ),
    "another access method": (
        (
            "create access method method_{0} type table handler heap_tableam_handler",
            "create table users_9 partition of users for values from (9000) to (9999) using method_{0}",
        ),
        "job.yaml:2:9: leaf 'public.users_9' of table 'public.users' has access method 'method_{0}'; only heap tables",
    ),
    "a rule": (
        (
            "create table users_9 partition of users for values from (9000) to (9999)",
            "create rule r as on update to users_9 do instead select 1",
        ),
        "job.yaml:2:8: table 'public.users_9' cannot be filled: cannot perform UPDATE RETURNING on relation",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
async def test_a_leaf_that_cannot_be_filled_is_refused_by_its_name(empty: Database, what: str):
    statements, words = REFUSED[what]
    tag = str(time.monotonic_ns())
    partitioned(empty, *ranges(3))
    run_sql(empty, *(one.format(tag) for one in statements))
    for attempt in (run, make_plan):
        args = (empty.dsn, job_file())
        with pytest.raises(JobError) as caught:
            await attempt(*args)
        assert words.format(tag).removeprefix("job.yaml:2:8") in str(caught.value)
    assert empty.query("select to_regclass('backfill.job')") == [(None,)], "nothing was written"
    assert empty.query("select count(handle) from users where id < 9000") == [(0,)]


async def test_a_foreign_partition_that_comes_during_the_run_halts_it(empty: Database):
    partitioned(empty, *ranges(3))

    def attach(event: Event) -> None:
        if isinstance(event, LeafDone) and event.leaf == "public.users_2":
            run_sql(
                empty,
                "create foreign data wrapper nowhere",
                "create server nowhere foreign data wrapper nowhere",
                "create foreign table away partition of users for values from (9000) to (9999) server nowhere",
            )

    with pytest.raises(Halted, match=r"leaf 'public.away' of table 'public.users' is a foreign table"):
        await told(empty.dsn, job_file(), attach)
    run_sql(empty, "drop foreign data wrapper nowhere cascade")
    finished, events = await run(empty.worker_dsn, job_file())
    assert (finished.state, of(events, LeafStarted)) == ("done", []), "all were done before"


KEYS = {
    "the root's": (ranges(3), "range (id)", "id"),
    "an expression": (["users_0 partition of users default"], "list ((id % 3))", "id"),
    "a level below": (TREES["several levels"], "range (id)", "username"),
}


@pytest.mark.parametrize("key", KEYS)
async def test_a_column_of_a_partition_key_is_refused(empty: Database, key: str):
    leaves, by, column = KEYS[key]
    partitioned(empty, *leaves, by=by)
    job = job_file(set={"handle": "username", column: column})
    of_table = "public.upper" if column == "username" else "public.users"
    with pytest.raises(JobError) as caught:
        await run(empty.worker_dsn, job)
    assert f"column '{column}' is in the partition key of '{of_table}'" in str(caught.value)
    assert str(caught.value).startswith("job.yaml:3:")


async def test_mistakes_are_told_once_at_the_place_in_the_job_file(empty: Database):
    partitioned(empty, *ranges(2))
    for expression, words in {
        "usrname": 'column "usrname" does not exist',
        "public.users.username": 'invalid reference to FROM-clause entry for table "users"',
    }.items():
        with pytest.raises(JobError) as caught:
            await run(empty.worker_dsn, job_file(set={"handle": expression}))
        assert str(caught.value).startswith("job.yaml:3:18: " + words)


async def test_a_role_needs_its_rights_on_every_leaf(empty: Database):
    partitioned(empty, *ranges(2))
    role = f"filler_{time.monotonic_ns()}"
    dsn = empty.dsn_for(role)
    run_sql(
        empty,
        f"create role {role} login",
        f"grant pg_monitor to {role}",
        f"grant create on database {empty.name} to {role}",
        f"grant select, update on users to {role}",
    )
    grants = []
    for _ in range(4):
        with pytest.raises(JobError) as caught:
            await run(dsn, job_file())
        grants.append(str(caught.value).partition("run: ")[2])
        run_sql(empty, grants[-1].replace("SELECT, UPDATE", "SELECT"))
    finished, _ = await run(dsn, job_file())
    assert (finished.state, finished.rows_total) == ("done", 3000)
    assert grants == [
        f"GRANT SELECT, UPDATE ON public.users_0 TO {role};",
        f"GRANT UPDATE (handle) ON public.users_0 TO {role};",
        f"GRANT SELECT, UPDATE ON public.users_1 TO {role};",
        f"GRANT UPDATE (handle) ON public.users_1 TO {role};",
    ]
    run_sql(empty, f"drop owned by {role} cascade", f"drop role {role}")


async def test_a_table_without_any_partition_is_done_at_once(empty: Database):
    run_sql(empty, f"{PARENT} partition by range (id)")
    finished, events = await run(empty.worker_dsn, job_file())
    assert (finished.state, finished.rows_total) == ("done", 0)
    assert [type(event) for event in events][-2:] == [Started, Finished]


async def test_a_plan_lists_the_leaves_and_shows_the_largest_one(empty: Database):
    partitioned(empty, *ranges(3)[:2], "users_2 partition of users for values from (2001) to (5001)", rows=5000)
    plan = await make_plan(empty.dsn, job_file())
    assert [name for name, _ in plan.leaves] == ["public.users_0", "public.users_1", "public.users_2"]
    assert (plan.table, plan.leaf_count) == ("public.users", 3)
    assert plan.size_bytes == sum(size for _, size in plan.leaves) > 0
    assert 'ONLY "public"."users_2" AS "users"' in dict(plan.statements)[plan.statements[0][0]]


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
            assert "users_1" not in plan
            by_row = ["verify", "sample_after", "row_key", "row_values", "find_rejected", "still_matching"]
            by_address = name in by_row or name.startswith("update, addresses")
            assert ("Tid Range Scan on users_0" in plan) is not by_address, plan
