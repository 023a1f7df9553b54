"""A polite lock on a real server: it names whom it waits for, keeps nobody waiting, and gets its lock in the end."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import psycopg
import pytest
from psycopg.sql import SQL, Composed

from backfill.change.lock_mode import LockMode
from backfill.events.ddl import DdlDone, DdlLockFailed, DdlWaiting
from backfill.events.event import Event
from backfill.postgres.change.polite_lock import take_politely
from backfill.postgres.monitor.side_connection import side_connection
from backfill.postgres.session.connection import connect
from backfill.sandbox import Sandbox
from backfill.values.errors import DatabaseError, StatementRefused
from backfill.values.identifier import TableName
from tests.fixtures_postgres import Database
from tests.integration.jobs import run_sql

pytestmark = pytest.mark.anyio

USERS = TableName("public", "users")
ADD_COLUMN = SQL("ALTER TABLE public.users ADD COLUMN added integer").format()
WAIT_MAX_S = 1.2


@pytest.fixture
def users(shared: Database) -> Database:
    """Table users anew, in two partitions."""
    run_sql(
        shared,
        "drop table if exists users",
        "create table users (id int primary key, handle text) partition by range (id)",
        "create table users_1 partition of users for values from (0) to (100)",
        "create table users_2 partition of users for values from (100) to (200)",
        "insert into users select i from generate_series(0, 199) i",
    )
    return shared


@contextmanager
def holding(
    database: Database, statement: str = "select from users_1", name: str = "psql"
) -> Iterator[psycopg.Connection]:
    """Keep a transaction open that has run a statement."""
    with psycopg.connect(f"{database.dsn} application_name={name}") as connection:
        connection.execute(statement.encode())
        yield connection
        connection.rollback()


@contextmanager
def selecting(database: Database) -> Iterator[list[float]]:
    """Read the table again and again; give what each read took."""
    took: list[float] = []
    over = threading.Event()

    def select() -> None:
        with psycopg.connect(database.dsn, autocommit=True) as connection:
            while not over.wait(0.02):
                began_s = time.monotonic()
                connection.execute("select from users limit 1")
                took.append(time.monotonic() - began_s)

    thread = threading.Thread(target=select, daemon=True)
    thread.start()
    try:
        yield took
    finally:
        over.set()
        thread.join(30)


async def take(database: Database, events: list[Event], *statements: Composed, **options: Any) -> None:
    """Add a column politely, or do something else."""
    async with (
        side_connection(database.dsn) as side,
        await connect(database.dsn, application_name="backfill:test") as connection,
    ):
        await take_politely(
            connection,
            statements or (ADD_COLUMN,),
            table=USERS,
            lock=LockMode.ACCESS_EXCLUSIVE,
            job="users-handle",
            side=side,
            report=events.append,
            **options,
        )


def added(database: Database) -> int:
    [(count,)] = database.query("select count(*) from pg_attribute where attname = 'added'")
    return int(count)


async def until(condition, timeout_s: float = 20.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s
        await anyio.sleep(0.02)


async def test_a_free_table_is_altered_at_once(users: Database):
    events: list[Event] = []
    await take(users, events)
    [done] = events
    assert isinstance(done, DdlDone)
    assert done.statement == "ALTER TABLE public.users ADD COLUMN added integer"
    assert not done.slow
    assert added(users) == 3


async def test_an_old_transaction_on_a_partition_is_named_and_waited_for_without_a_try(
    users: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("backfill.change.lock_patience.YOUNG_S", 0.0)
    events: list[Event] = []
    with selecting(users) as took:
        with holding(users) as holder:
            taking = asyncio.ensure_future(take(users, events))
            await until(lambda: events)
            await until(lambda: len(took) > 20)
            assert not taking.done()
            pid = holder.info.backend_pid
        await taking
    waiting = next(event for event in events if isinstance(event, DdlWaiting))
    assert waiting.blocker.startswith(f"pid {pid} (psql, postgres), idle in transaction for ")
    assert waiting.blocker.endswith(", holds ACCESS SHARE on public.users_1")
    assert isinstance(events[-1], DdlDone)
    assert not [event for event in events if isinstance(event, DdlLockFailed)]
    assert max(took) < WAIT_MAX_S


async def test_a_try_that_meets_a_holder_ends_soon_names_it_and_the_fourth_failure_is_loud(
    users: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("backfill.change.lock_patience.YOUNG_S", 3600.0)
    events: list[Event] = []

    async def briefly(delay_s: float) -> None:
        await anyio.sleep(min(delay_s, 0.05))

    with selecting(users) as took:
        with holding(users, "select from users_2", "report"):
            taking = asyncio.ensure_future(take(users, events, sleep=briefly))
            await until(lambda: len(events) >= 4)
        await taking
    failures = [event for event in events if isinstance(event, DdlLockFailed)]
    assert [(event.failures, event.loud) for event in failures[:4]] == [(1, False), (2, False), (3, False), (4, True)]
    for failure in failures[:4]:
        assert "(report, postgres), idle in transaction for " in failure.blocker
        assert failure.blocker.endswith(", holds ACCESS SHARE on public.users_2")
    assert isinstance(events[-1], DdlDone)
    assert max(took) < WAIT_MAX_S
    assert added(users) == 3


async def test_a_prepared_transaction_is_named_by_its_gid():
    with Sandbox() as sandbox:
        database = Database("postgres", sandbox.primary(settings={"max_prepared_transactions": "2"}))
        run_sql(database, "create table users (id int)")
        # One message of several statements, as PREPARE TRANSACTION has to end the transaction itself.
        run_sql(database, "begin; insert into users values (1); prepare transaction 'order-7'")
        events: list[Event] = []
        taking = asyncio.ensure_future(take(database, events))
        await until(lambda: events)
        run_sql(database, "rollback prepared 'order-7'")
        await taking
    assert isinstance(events[0], DdlWaiting)
    assert events[0].blocker.startswith("prepared transaction 'order-7' of postgres, prepared ")
    assert events[0].blocker.endswith(" ago, holds ROW EXCLUSIVE on public.users")


async def test_a_lock_that_never_comes_is_given_up_with_the_holder_and_nothing_done(
    users: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("backfill.change.lock_patience.YOUNG_S", 0.0)
    with (
        holding(users),
        pytest.raises(DatabaseError, match=r"ACCESS EXCLUSIVE on public.users was not .*pid \d+ .psql"),
    ):
        await take(users, [], give_up_s=0.1)
    assert added(users) == 0


async def test_statements_are_one_transaction_and_another_failure_is_raised_at_once(users: Database):
    wrong = SQL("ALTER TABLE public.users ADD COLUMN id integer").format()
    with pytest.raises(StatementRefused, match="already exists"):
        await take(users, [], ADD_COLUMN, wrong)
    assert added(users) == 0
