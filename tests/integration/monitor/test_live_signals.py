"""Everything else that our WAL and our locks can hurt, on real servers: each is a value, or unknown and why."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import anyio
import psycopg
import pytest

from backfill.postgres.monitor.read_signals import read_signals
from backfill.postgres.session.connection import connect
from backfill.postgres.session.server import read_server
from backfill.sandbox import Sandbox, Server
from backfill.sandbox.wait import wait_until
from backfill.table.batch import Committed
from backfill.throttle.signals import ProbeAnswer, Replica, Signals
from tests.factories import admission, run_order
from tests.fixtures_postgres import Cluster, Database
from tests.integration.jobs import asleep, job_file, make_users, next_cut, open_leaf, run_sql, session
from tests.integration.worker import Worker as Session

pytestmark = pytest.mark.anyio

WAIT_S = 20.0
AURORA = """
create function {schema}.aurora_replica_status() returns table (
    server_id text, session_id text, replica_lag_in_msec float8, last_update_timestamp timestamptz
) language sql as $$ values
    ('writer', 'MASTER_SESSION_ID', null, now()),
    ('reader-1', 'a', 20.5, now()),
    ('reader-2', 'b', 1500, now() - interval '5 s'),
    ('reader-3', 'c', null, now()),
    ('reader-4', 'd', 3, now() - interval '10 min'),
    ('reader-5', 'e', 7, null)
$$
"""


async def until(session: Session, condition: Callable[[Signals], object]) -> Signals:
    """Read until it is so."""
    deadline_s = time.monotonic() + WAIT_S
    while not condition(signals := await session.lane.read_signals()):
        assert time.monotonic() < deadline_s, signals
        await anyio.sleep(0.05)
    return signals


def named(signals: Signals) -> dict[str, Replica]:
    return {one.name: one for one in signals.replicas}


@pytest.fixture(scope="module")
def decoding() -> Iterator[Server]:
    """A primary that decodes, with little room for slots."""
    with Sandbox() as sandbox:
        yield sandbox.primary(
            settings={
                "wal_level": "logical",
                "max_slot_wal_keep_size": "128MB",
                "autovacuum_naptime": "1s",
                "autovacuum_max_workers": "1",
            }
        )


async def test_a_synchronous_standby_is_distinguished(cluster: Cluster):
    cluster.primary.configure({"synchronous_standby_names": '"replica-a"'})
    try:
        deadline_s = time.monotonic() + WAIT_S
        async with await connect(cluster.primary.dsn, application_name="backfill:test") as connection:
            while not (found := named(await read_signals(connection)))["replica-a"].sync:
                assert time.monotonic() < deadline_s, found
                await anyio.sleep(0.05)
    finally:
        cluster.primary.configure({"synchronous_standby_names": ""})
    assert not found["replica-b"].sync


async def test_a_consumer_that_confirms_nothing_falls_behind_with_every_byte(decoding: Server):
    decoding.query("select pg_create_logical_replication_slot('lazy', 'pgoutput')")
    try:
        async with await connect(decoding.dsn, application_name="backfill:test") as connection:
            before = await read_signals(connection)
            decoding.query("select pg_logical_emit_message(false, 'test', repeat('x', 5000000))")
            after = await read_signals(connection)
        [(first, second)] = zip(before.slots, after.slots, strict=True)
        assert first.unconfirmed_bytes is not None
        assert second.unconfirmed_bytes is not None
        written = after.insert_lsn - before.insert_lsn
        assert second.unconfirmed_bytes - first.unconfirmed_bytes == written >= 5_000_000
        assert first.safe_bytes is not None
        assert 0 < first.safe_bytes < 256 * 1024**2
        decoding.query("select pg_replication_slot_advance('lazy', pg_current_wal_insert_lsn())")
        async with await connect(decoding.dsn, application_name="backfill:test") as connection:
            [caught_up] = (await read_signals(connection)).slots
        assert caught_up.unconfirmed_bytes is not None
        assert caught_up.unconfirmed_bytes < 5_000_000
    finally:
        decoding.query("select pg_drop_replication_slot('lazy')")


async def test_a_physical_slot_confirms_nothing(cluster: Cluster):
    async with await connect(cluster.primary.dsn, application_name="backfill:test") as connection:
        assert {one.unconfirmed_bytes for one in (await read_signals(connection)).slots} == {None}


async def test_dead_tuples_and_the_oldest_snapshot_are_read(database: Database):
    make_users(database, 500)
    run_sql(database, "update users set email = email || 'x'")
    with psycopg.connect(database.dsn) as holder:
        holder.execute("set transaction isolation level repeatable read")
        holder.execute("select count(*) from users")
        await anyio.sleep(0.3)
        async with session(database.dsn, job_file()) as worker:
            await open_leaf(worker)
            signals = await until(worker, lambda one: one.upkeep.dead_tuples == 500)
    assert signals.upkeep.oldest_snapshot_s is not None
    assert 0.3 <= signals.upkeep.oldest_snapshot_s < 30
    assert signals.upkeep.vacuum is None


async def test_upkeep_is_read_once_a_second_and_kept_between(database: Database):
    make_users(database, 100)
    async with session(database.dsn, job_file()) as worker:
        await open_leaf(worker)
        first = await worker.read_signals()
        run_sql(database, "update users set email = email || 'x'")
        second = await worker.read_signals()
        assert first.upkeep.dead_tuples == second.upkeep.dead_tuples == 0
        await until(worker, lambda one: one.upkeep.dead_tuples == 100)


@pytest.mark.timeout(90)
async def test_a_vacuum_that_prevents_wraparound_is_seen_while_it_runs(decoding: Server):
    slow = "autovacuum_freeze_max_age = 100000, autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1"
    run_sql(
        decoding,
        f"create table old (id int primary key, username text, handle text) with ({slow})",
        "insert into old select i, repeat('x', 400) from generate_series(1, 20000) i",
        "set synchronous_commit = off",
        "do $$ begin for i in 1 .. 110000 loop perform pg_current_xact_id(); commit; end loop; end $$",
    )
    job = job_file(table="public.old")
    async with session(decoding.dsn, job) as worker:
        await open_leaf(worker)
        signals = await until(worker, lambda one: one.upkeep.vacuum)
        assert signals.upkeep.vacuum == "public.old"
        async with anyio.create_task_group() as tasks:
            # It waits for the vacuum, which yields to nobody, and goes before the next one.
            change = "alter table old reset (autovacuum_freeze_max_age)"
            tasks.start_soon(anyio.to_thread.run_sync, run_sql, decoding, change)
            waiting = "select true from pg_stat_activity where query like 'alter table%%' and wait_event_type = 'Lock'"
            await anyio.to_thread.run_sync(wait_until, lambda: decoding.query(waiting), "the change waits")
            vacuums = "select pg_cancel_backend(pid) from pg_stat_activity where query like 'autovacuum:%%'"
            decoding.query(vacuums)
        await until(worker, lambda one: one.upkeep.vacuum is None)
    run_sql(decoding, "drop table old")


@pytest.mark.usefixtures("cluster")
async def test_the_readers_of_aurora_come_from_its_own_function(database: Database):
    async with await connect(database.dsn, application_name="backfill:test") as connection:
        assert not (await read_server(connection)).aurora
    make_users(database, 10)
    run_sql(database, AURORA.format(schema="pg_catalog"))
    async with session(database.dsn, job_file()) as worker:
        await open_leaf(worker)
        found = named(await worker.read_signals())
    readers = {name: one.lag_s for name, one in found.items() if one.state == "aurora"}
    assert readers == {"reader-1": 0.0205, "reader-2": 1.5, "reader-3": None, "reader-5": 0.007}
    assert {"replica-a", "replica-b"} < found.keys()


async def test_a_function_of_that_name_that_somebody_made_is_not_called(database: Database):
    make_users(database, 10)
    run_sql(
        database,
        "create table called ()",
        "create function note() returns void language sql as 'insert into called default values'",
        AURORA.format(schema="public").replace("$$ values", "$$ select note(); values"),
    )
    async with session(database.dsn, job_file()) as worker:
        await open_leaf(worker)
        found = named(await worker.read_signals())
    async with await connect(database.dsn, application_name="backfill:test") as connection:
        assert not (await read_server(connection)).aurora
    assert database.query("select count(*) from called") == [(0,)]
    assert not [name for name, one in found.items() if one.state == "aurora"]


async def test_a_replica_is_asked_itself_and_so_are_those_that_follow_it(cluster: Cluster, database: Database):
    make_users(database, 10)
    cascade = cluster.sandbox.standby("cascade", cluster.replica_a)
    try:
        asked = cluster.replica_a.tcp_dsn
        name = f"127.0.0.1:{cluster.replica_a.port}"
        async with session(database.dsn, job_file(throttle={"replicas": {"direct": [asked]}})) as worker:
            await open_leaf(worker)
            signals = await until(worker, lambda one: named(one).get("cascade"))
            assert set(named(signals)) == {"replica-a", "replica-b", name, "cascade"}
            cascade.pause()
            run_sql(database, "select pg_logical_emit_message(false, 'test', repeat('x', 1000000))")
            behind = await until(
                worker,
                lambda one: (named(one)[name].replay_lsn or 0) > (named(one)["cascade"].replay_lsn or 0) + 900_000,
            )
            assert behind.insert_lsn - (named(behind)["cascade"].replay_lsn or 0) > 900_000
            cluster.replica_a.stop()
            gone = await until(worker, lambda one: named(one)[name].replay_lsn is None)
            assert "cascade" not in named(gone)
            assert named(gone)[name].state
            cluster.replica_a.start()
            await until(worker, lambda one: named(one)[name].replay_lsn)
    finally:
        cascade.stop(immediate=True)
        cluster.replica_a.start()


async def test_a_primary_is_no_replica(cluster: Cluster, database: Database):
    make_users(database, 10)
    job = job_file(throttle={"replicas": {"direct": [cluster.primary.tcp_dsn]}})
    async with session(database.dsn, job) as worker:
        await open_leaf(worker)
        name = f"127.0.0.1:{cluster.primary.port}"
        signals = await until(worker, lambda one: named(one)[name].state != "not read yet")
    assert (named(signals)[name].replay_lsn, named(signals)[name].state) == (None, f"{name} is not a standby")


def probe(name: str, sql: str, limit: float = 5) -> dict[str, object]:
    return {"name": name, "sql": sql, "max": limit, "every": "200ms"}


async def test_probes_are_numbers_or_unknown_and_say_why(database: Database):
    make_users(database, 10)
    probes = [
        probe("ten", "SELECT count(*) FROM users"),
        probe("sum", "1 + 0.5"),
        probe("null", "NULL"),
        probe("nan", "'NaN'::float8"),
        probe("wrong", "SELECT count(*) FROM nothing"),
        probe("writes", "SELECT nextval('s')"),
        probe("text", "'x'"),
        {"name": "prometheus", "prometheus": "http://127.0.0.1:1", "query": "up", "max": 1, "every": "200ms"},
    ]
    run_sql(database, "create sequence s", "create table nothing ()")
    async with session(database.dsn, job_file(throttle={"probes": probes})) as worker:
        await open_leaf(worker)
        first = await worker.read_signals()
        assert {one.value for one in first.probes} <= {None, 10.0, 1.5, 0.0}
        run_sql(database, "drop table nothing")
        signals = await until(
            worker, lambda one: sum(probed.why not in ("", "not read yet") for probed in one.probes) == 6
        )
    found = {one.name: one for one in signals.probes}
    assert found["ten"] == ProbeAnswer(name="ten", limit=5.0, value=10.0)
    assert found["sum"] == ProbeAnswer(name="sum", limit=5.0, value=1.5)
    whys = {name: one.why for name, one in found.items() if one.value is None}
    assert whys.keys() == {"null", "nan", "wrong", "writes", "text", "prometheus"}
    assert whys["null"] == whys["nan"] == "the query returns no number"
    assert whys["wrong"] == 'relation "nothing" does not exist'
    assert whys["writes"] == "cannot execute nextval() in a read-only transaction"
    assert "refused" in whys["prometheus"]


async def test_a_probe_that_hangs_is_unknown_and_holds_up_nobody(database: Database):
    make_users(database, 10)
    job = job_file(throttle={"probes": [probe("slow", "SELECT 1 FROM pg_sleep(60)")]})
    async with session(database.dsn, job) as worker:
        await open_leaf(worker)
        await asleep(database)
        began_s = time.monotonic()
        await worker.read_signals()
        assert time.monotonic() - began_s < 2.5
        signals = await until(worker, lambda one: one.probes[0].why != "not read yet")
    assert signals.probes[0].why in ("no answer within 3s", "canceling statement due to statement timeout")


async def test_sessions_that_wait_for_our_locks_are_counted_and_those_behind_them(users_waiting: Database):
    """The first waits for our row, the second for the first."""
    async with session(users_waiting.dsn, job_file(set={"handle": "nap(username)"}, batch={"stripes": 1})) as worker:
        checkpoint = (await open_leaf(worker)).checkpoints[0]
        batch_range = await next_cut(worker, checkpoint)

        async def change() -> None:
            async with await psycopg.AsyncConnection.connect(users_waiting.dsn) as connection:
                await connection.execute("update users set email = 'new' where id = 1")

        async def fill() -> None:
            done = await run_order(worker.lane, checkpoint, batch_range, admission(10))
            assert isinstance(done, Committed)
            assert done.blocked_sessions == 2

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(fill)
            await asleep(users_waiting)
            tasks.start_soon(change)
            tasks.start_soon(change)
    assert users_waiting.query("select blocked_sessions from backfill.batch") == [(2,)]


@pytest.fixture
def users_waiting(database: Database) -> Database:
    """Ten users whose last one takes a second to fill."""
    make_users(database, 10)
    run_sql(
        database,
        "create function nap(name text) returns text language plpgsql as"
        " $$ begin if name = 'user10' then perform pg_sleep(1); end if; return name; end $$",
    )
    return database


async def test_a_flushed_batch_is_on_disk_when_it_is_committed(database: Database):
    make_users(database, 2000)
    behind = "select (pg_current_wal_insert_lsn() - pg_current_wal_flush_lsn())::bigint"
    async with session(database.dsn, job_file()) as worker:
        checkpoint = (await open_leaf(worker)).checkpoints[0]
        done = await run_order(
            worker.lane, checkpoint, await next_cut(worker, checkpoint, 500), admission(500, flush=True)
        )
        assert isinstance(done, Committed)
        signals = await worker.read_signals()
        assert signals.flush_lsn >= done.insert_lsn
        assert database.query(behind)[0][0] >= 0


async def test_other_limits_are_kept_from_the_next_statement_on(database: Database):
    make_users(database, 100)
    job = job_file()
    async with session(database.dsn, job) as worker:
        await open_leaf(worker)
        run_sql(database, """update backfill.job set tuned = '{"max_lag": "5s"}'""")
        assert (await worker.read_signals()).tuned == (("max_lag", "5s"),)
        await worker.apply_limits(job.job.model_copy(update={"statement_timeout_s": 7.0}))
        cursor = await worker.connection.execute("show statement_timeout")
        assert await cursor.fetchone() == ("7s",)


async def test_limits_of_a_job_are_kept_without_conninfos(database: Database):
    make_users(database, 10)
    throttle = {"max_lag": "3s", "replicas": {"direct": ["host=x password=secret"]}, "probes": [probe("a", "1")]}
    async with session(database.dsn, job_file(throttle=throttle)) as worker:
        await open_leaf(worker)
    [(kept,)] = database.query("select limits from backfill.job")
    assert kept["throttle"]["max_lag"] == 3.0
    assert "secret" not in str(kept)
