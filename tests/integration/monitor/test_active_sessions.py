"""Active sessions of a role, counted on a real server: busy ones only, ours aside, unknown if the server hides them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress

import anyio
import psycopg
import pytest

from backfill.events.throttle import SignalsRead, WaitStarted
from backfill.postgres.monitor.read_signals import read_signals
from backfill.postgres.session.connection import Connection, connect
from backfill.throttle.conditions.active_sessions import STATEMENT
from backfill.throttle.signals import SignalValue
from tests.factories import limits
from tests.fixtures_postgres import Database
from tests.integration.jobs import job_file, make_users, run, run_sql

pytestmark = pytest.mark.anyio

ROLE = "app of ours"
"""A name that has to be a parameter: it is no identifier."""
BUSY = f"select count(*) from pg_stat_activity where usename = '{ROLE}' and state = 'active'"


@pytest.fixture
def role(database: Database) -> Iterator[str]:
    run_sql(database, f'create role "{ROLE}" login superuser')
    yield psycopg.conninfo.make_conninfo(database.dsn, user=ROLE)
    run_sql(database, f'drop role "{ROLE}"')


async def until(database: Database, question: str, answer: object) -> None:
    """Ask until the answer is this; a table that is not there yet is no answer."""
    for _ in range(400):
        with suppress(psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
            if database.query(question) == [(answer,)]:
                return
        await anyio.sleep(0.05)
    raise AssertionError(f"not {answer}: {question}")


@asynccontextmanager
async def busy(database: Database, dsn: str, number: int = 1) -> AsyncIterator[None]:
    """Keep sessions of the role at work."""
    sessions = [await psycopg.AsyncConnection.connect(dsn, autocommit=True) for _ in range(number)]
    at_work = [asyncio.create_task(session.execute("select pg_sleep(60)")) for session in sessions]
    try:
        await until(database, BUSY, number)
        yield
    finally:
        for session in sessions:
            await session.cancel_safe()
        for task in at_work:
            with suppress(psycopg.errors.QueryCanceled):
                await task
        for session in sessions:
            await session.close()


async def count(connection: Connection, *roles: str) -> tuple[SignalValue, ...]:
    wanted = limits(max_active_sessions=dict.fromkeys(roles, 1))
    return (await read_signals(connection, limits=wanted)).query_values[STATEMENT]


async def test_sessions_that_run_a_statement_are_counted_and_idle_ones_are_not(database: Database, role: str):
    async with await connect(database.dsn, application_name="backfill:test") as connection:
        async with busy(database, role, 2), await psycopg.AsyncConnection.connect(role):
            assert await count(connection, ROLE) == (SignalValue(ROLE, 2.0),)
        assert await count(connection, ROLE) == (SignalValue(ROLE, 0.0),)


async def test_our_own_sessions_are_not_counted(database: Database, role: str):
    async with await connect(role, application_name="backfill:test") as connection:
        assert await count(connection, ROLE) == (SignalValue(ROLE, 0.0),)


async def test_a_role_that_is_missing_or_hides_its_state_is_unknown(database: Database, role: str):
    hidden = psycopg.conninfo.make_conninfo(role, options="-c track_activities=off")
    async with (
        await connect(database.dsn, application_name="backfill:test") as connection,
        await psycopg.AsyncConnection.connect(hidden),
    ):
        assert await count(connection, ROLE, "nobody") == (
            SignalValue(ROLE, None, "track_activities is off"),
            SignalValue("nobody", None, "the role does not exist"),
        )


async def test_nothing_is_counted_without_a_limit(database: Database):
    async with await connect(database.dsn, application_name="backfill:test") as connection:
        assert (await read_signals(connection, limits=limits())).query_values == {}


async def test_a_job_waits_while_the_role_is_busy_and_ends_when_it_is_not(database: Database, role: str):
    make_users(database, 100)
    job = job_file(throttle={"max_active_sessions": {ROLE: 0}})
    async with busy(database, role):
        at_work = asyncio.create_task(run(database.dsn, job))
        await until(database, f"select exists (select from backfill.job where reason like '%{ROLE}%')", True)
    finished, events = await at_work
    assert finished.state == "done"
    waits = {str(event.reason) for event in events if isinstance(event, WaitStarted)}
    assert f"active sessions of {ROLE} 1 > 0" in waits
    last = [event for event in events if isinstance(event, SignalsRead)][-1]
    [(value, limit)] = [(one.value, one.limit) for one in last.readings if one.measure == "active_sessions"]
    assert (value, limit) == (0.0, 0)
