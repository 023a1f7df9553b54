"""Sessions of ours: bounded whatever the role's and the database's defaults are, and told in our own words when lost."""

from __future__ import annotations

import asyncio
import gc
import os
import re
import time

import psycopg
import pytest
from psycopg.sql import SQL, Identifier, Literal

from backfill.engine.ports import Runtime
from backfill.engine.supervisor import JobSupervisor
from backfill.events.batch import BatchDone
from backfill.events.event import Event
from backfill.postgres.session.connection import connect, resolve_dsn, translated, untimed, worker_name
from backfill.postgres.work.job_session import open_job
from backfill.table.row_counts import BatchRange
from backfill.values.errors import ConnectionLost, JobError, StatementRefused
from tests.fixtures_postgres import Cluster, Database
from tests.integration.jobs import asleep, connected, fill, job_file, make_users, open_leaf, run_sql, session

pytestmark = pytest.mark.anyio

DEFAULTS = {
    "statement_timeout": "300ms",
    "lock_timeout": "50ms",
    "idle_in_transaction_session_timeout": "50ms",
    "default_transaction_isolation": "serializable",
    "synchronous_commit": "on",
    "plan_cache_mode": "force_generic_plan",
    "row_security": "on",
    "TimeZone": "Asia/Tokyo",
    "client_connection_check_interval": "0",
    "transaction_timeout": "300ms",
    "client_min_messages": "notice",
    "tcp_keepalives_idle": "7200",
    "tcp_user_timeout": "0",
}
OURS = {
    "statement_timeout": "4000",
    "lock_timeout": "123",
    "idle_in_transaction_session_timeout": "5000",
    "default_transaction_isolation": "read committed",
    "synchronous_commit": "off",
    "plan_cache_mode": "force_custom_plan",
    "row_security": "off",
    "TimeZone": "UTC",
    "client_connection_check_interval": "1000",
    "transaction_timeout": "22000",
    "client_min_messages": "error",
    "tcp_keepalives_idle": "5",
    "tcp_user_timeout": "10000",
}


async def test_whatever_the_defaults_of_the_database_are_ours_hold(database: Database):
    known = {row[0] for row in database.query("select name from pg_settings")} & DEFAULTS.keys()
    make_users(database, 500)
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        for name in known:
            alter = SQL("alter database {} set {} = {}").format(
                Identifier(database.name), SQL(name), Literal(DEFAULTS[name])
            )
            connection.execute(alter)
    job = job_file(
        where="handle IS NULL AND (id <> 1 OR pg_sleep(0.6) IS NOT NULL)",
        lock_timeout="123ms",
        statement_timeout="4s",
        synchronous_commit="local",
        batch={"stripes": 1},
    )
    async with connected(database.dsn, job) as connected_:
        cursor = await connected_.execute("select name, setting from pg_settings where name = any (%s)", [list(known)])
        on_a_socket = dict.fromkeys(("tcp_keepalives_idle", "tcp_user_timeout"), "0")
        assert dict(await cursor.fetchall()) == {name: (OURS | on_a_socket)[name] for name in known}
    async with session(database.dsn, job) as worker:
        checkpoint = (await open_leaf(worker)).checkpoints[0]
        assert (await fill(worker, checkpoint, BatchRange(end=checkpoint.window_limit, rows=1))).rows == 500
        assert (await worker.verify(1)).rows_left == 0


async def test_a_serializable_default_does_not_make_batches_fail(database: Database):
    make_users(database, 500)
    run_sql(database, f"alter database {database.name} set default_transaction_isolation = 'repeatable read'")
    async with session(database.dsn, job_file(batch={"stripes": 1}, lock_timeout="10s")) as worker:
        checkpoint = (await open_leaf(worker)).checkpoints[0]
        with psycopg.connect(database.dsn) as other:
            other.execute("update users set handle = 'theirs' where id = 77")
            batch = asyncio.ensure_future(fill(worker, checkpoint, BatchRange(end=checkpoint.window_limit, rows=1)))
            await asleep(database, "transactionid")
            other.commit()
            assert (await batch).rows == 499


async def test_a_worker_says_which_job_it_has_and_where_it_is(database: Database):
    place = f":{os.getpid()}"
    for job in ("users-handle", "z" * 63):
        name = worker_name(job)
        assert name.startswith(f"backfill:{job}"[:31])
        assert name.endswith(place)
        assert len(name.encode()) <= 63
        async with await connect(database.dsn, application_name=name):
            known = "select count(*) from pg_stat_activity where application_name = %s"
            assert database.query(known, name) == [(1,)]


async def test_a_server_that_is_not_there_is_lost_and_keeps_its_secrets(cluster: Cluster):
    dsn = "host=127.0.0.1 port=1 user=postgres password=s3cr3t"
    with pytest.raises(ConnectionLost) as caught:
        await connect(dsn, application_name="backfill:test")
    assert "s3cr3t" not in str(caught.value)
    with pytest.raises(ConnectionLost, match="does not exist"):
        await connect(cluster.primary.dsn_for(dbname="nowhere"), application_name="backfill:test")


async def test_what_the_server_says_no_to_is_refused_with_its_sqlstate(database: Database):
    async with await connect(database.dsn, application_name="backfill:test") as connection:
        with pytest.raises(StatementRefused, match="division by zero") as caught, translated(connection):
            await connection.execute("select 1 / 0")
        assert caught.value.sqlstate == "22012"
        cursor = await connection.execute("select pg_backend_pid()")
        row = await cursor.fetchone()
        assert row is not None
        database.query("select pg_terminate_backend(%s::int, 10000)", row[0])
        with pytest.raises(ConnectionLost), translated(connection):
            await connection.execute("select 1")


async def test_a_proxy_that_stands_still_and_keeps_the_link_up_loses_the_session_in_time(
    cluster: Cluster, database: Database
):
    link = cluster.sandbox.link(cluster.primary)
    connection = await connect(database.dsn_through(link), application_name="backfill:test")
    try:
        assert connection.answer_s == pytest.approx(50)
        connection.answer_s = 0.3
        link.freeze()
        with pytest.raises(ConnectionLost, match="no answer within 300ms"), translated(connection):
            async with connection.transaction(), connection.pipeline():
                await connection.execute("select 1")
        assert connection.closed
    finally:
        link.restore()
        await connection.close()


async def test_what_may_take_any_time_is_waited_for(database: Database):
    connection = await connect(database.dsn, application_name="backfill:test")
    connection.answer_s = 0.3
    async with connection, connection.transaction(), untimed(connection):
        await connection.execute("select pg_sleep(0.6)")
        cursor = await connection.execute("show statement_timeout")
        assert await cursor.fetchone() == ("0",)
    assert connection.answer_s == pytest.approx(0.3)


def test_a_dsn_is_found_or_asked_for():
    assert resolve_dsn("dbname=a", {"DATABASE_URL": "dbname=b"}) == "dbname=a"
    assert resolve_dsn(None, {"DATABASE_URL": "dbname=b"}) == "dbname=b"
    assert resolve_dsn(None, {"PGSERVICE": "c"}) == ""
    with pytest.raises(JobError, match=r"no database given; use --dsn, DATABASE_URL .* backfill demo"):
        resolve_dsn(None, {})
    with pytest.raises(JobError, match="the DSN cannot be parsed") as caught:
        resolve_dsn("dbname=a password = 'unclosed s3cr3t", {})
    assert "s3cr3t" not in str(caught.value)


async def test_a_message_of_10_mb_is_cut_where_it_enters(database: Database):
    connection = await connect(database.dsn, application_name="canary")
    async with connection:
        with pytest.raises(StatementRefused) as refused, translated(connection):
            await connection.execute("do $$ begin raise exception '%', repeat('x', 10000000); end $$")
    text = str(refused.value)
    assert text.startswith("xxxx")
    assert len(text) < 4200
    assert re.search(r"… \(10,0[0-9]{2},[0-9]{3} bytes\)$", text)
    assert len(str(refused.value.__cause__)) < 4200


FLOOD = (
    (
        "create function flood() returns trigger language plpgsql as"
        " $$ begin listen flood; perform pg_notify('flood', repeat('x', 7000) || new.id); return new; end $$"
    ),
    "create trigger flood before update on users for each row execute function flood()",
)


async def test_a_trigger_that_listens_and_floods_with_notify_fills_no_memory(database: Database):
    make_users(database, 600)
    run_sql(database, *FLOOD)
    kept: list[int] = []

    def record(event: Event) -> None:
        if isinstance(event, BatchDone):
            kept.append(sum(isinstance(one, psycopg.Notify) for one in gc.get_objects()))

    job = job_file(batch={"max_rows": 100, "stripes": 1}, throttle={"replicas": {"ignore": ["*"]}})
    runtime = Runtime(record=record, now_s=time.monotonic, sleep=asyncio.sleep, jitter=lambda: 0.5)
    supervisor = JobSupervisor(job.job, lambda: open_job(database.dsn, job), runtime, wait_for_lock=True)
    assert (await supervisor.run()).rows_total == 600
    assert len(kept) >= 6
    assert max(kept) < 10
