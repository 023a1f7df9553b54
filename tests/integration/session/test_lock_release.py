"""The server lets go of our locks by itself, on the oldest and the newest PostgreSQL, whatever has become of us.

A client that no longer reads and no longer writes is what a frozen worker looks like to its server.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import pytest

from backfill.postgres.session.connection import Connection, connect
from backfill.sandbox import Server
from backfill.sandbox.wait import wait_until
from tests.integration.jobs import run_sql

pytestmark = [pytest.mark.anyio, pytest.mark.majors(14, 18)]

NOISE = 20_000_000
"""Bytes of one message: more than the buffers of any connection on the way."""


@pytest.fixture
def held(bare: Server) -> Server:
    """A table whose lock is asked for, and functions that are as loud as triggers may be."""
    run_sql(
        bare,
        "drop table if exists held",
        "create table held (id int primary key, note text)",
        "insert into held select generate_series(1, 100)",
        *(
            f"create or replace function raise_{level}() returns text language plpgsql as"
            f" $$ begin raise {level} '%', repeat('n', {NOISE}); return 'said'; end $$"
            for level in ("notice", "warning", "info", "exception")
        ),
    )
    return bare


@asynccontextmanager
async def locking(dsn: str, **settings: str) -> AsyncIterator[Connection]:
    """Give a session of ours, with timeouts that a test can wait for, that has updated a row and says nothing more."""
    connection = await connect(dsn, application_name="backfill:test")
    try:
        for name, value in settings.items():
            await connection.execute("select set_config(%s, %s, false)", [name, value])
        await connection.execute("begin")
        async with connection.pipeline():
            await connection.execute("set local enable_seqscan = off")
            updated = await connection.execute("update public.held set note = 'ours' where id = %s", [1])
        assert updated.rowcount == 1
        yield connection
    finally:
        await connection.close()


def wait_for_lock(server: Server) -> float:
    """Take the strongest lock on the table; return how long that took."""
    began_s = time.monotonic()
    run_sql(server, "alter table held alter note drop default")
    return time.monotonic() - began_s


async def test_the_idle_timer_runs_behind_a_pipeline(held: Server):
    async with locking(held.dsn, idle_in_transaction_session_timeout="500ms"):
        assert wait_for_lock(held) < 15


async def test_without_a_timer_the_lock_would_be_held(held: Server):
    async with locking(held.dsn, idle_in_transaction_session_timeout="0"):
        with psycopg.connect(held.dsn, autocommit=True) as waiter:
            waiter.execute("set lock_timeout = '1s'")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                waiter.execute("alter table held alter note drop default")


@pytest.mark.parametrize("level", ["notice", "warning"])
async def test_a_trigger_s_notices_are_not_sent_so_nothing_can_wait_for_a_reader(held: Server, level: str):
    async with locking(held.dsn, idle_in_transaction_session_timeout="500ms") as connection:
        connection.pgconn.send_query(f"update public.held set note = raise_{level}() where id = 2".encode())
        connection.pgconn.flush()
        assert wait_for_lock(held) < 15


@pytest.mark.parametrize("level", ["info", "exception"])
async def test_an_answer_that_nobody_reads_ends_with_the_connection(held: Server, level: str):
    """What the server always sends: INFO, and the text of an error."""
    settings = {"idle_in_transaction_session_timeout": "500ms", "tcp_user_timeout": "1500"}
    async with locking(held.tcp_dsn, **settings) as connection:
        connection.pgconn.send_query(f"select public.raise_{level}()".encode())
        connection.pgconn.flush()
        assert wait_for_lock(held) < 20


@pytest.mark.majors(17, 18)
async def test_a_message_that_was_sent_in_part_is_waited_for_no_longer_than_the_transaction(held: Server):
    settings = {"idle_in_transaction_session_timeout": "500ms", "transaction_timeout": "1s"}
    async with locking(held.dsn, **settings) as connection:
        connection.pgconn.enter_pipeline_mode()
        connection.pgconn.send_query_params(b"update public.held set note = 'more' where id = 3", None)
        connection.pgconn.send_flush_request()
        connection.pgconn.flush()
        wait_until(lambda: waiting_for_client(held), "the statement is done and no Sync has come")
        assert wait_for_lock(held) < 15


def waiting_for_client(server: Server) -> bool:
    asked = (
        "select true from pg_stat_activity"
        " where application_name = 'backfill:test' and state = 'active' and wait_event = 'ClientRead'"
    )
    return bool(server.query(asked))


async def test_a_batch_s_statements_reach_the_server_in_one_message(held: Server):
    """Nothing is sent before the block ends: between two messages no timer runs before PostgreSQL 17."""
    async with await connect(held.dsn, application_name="backfill:test") as connection:
        async with connection.transaction(), connection.pipeline():
            await connection.execute("update public.held set note = 'ours' where id = 4")
            await connection.execute("update public.held set note = 'ours' where id = 5")
            sent = held.query("select query from pg_stat_activity where pid = %s", connection.server_pid)
        assert sent == [("BEGIN",)]


async def test_of_several_errors_the_first_one_is_raised(held: Server):
    async with await connect(held.dsn, application_name="backfill:test") as connection:
        pipeline = connection.pipeline()
        await pipeline.__aenter__()
        for asked in ("select 1", "select 1 / 0", "select 2"):
            await connection.execute(asked.encode())
        with pytest.raises(psycopg.errors.DivisionByZero):
            await pipeline.__aexit__(None, None, None)
        cursor = await connection.execute("select 3")
        assert await cursor.fetchone() == (3,)
