"""`finish` beside others: it says whom it waits for, and no session waits for it longer than a try takes."""

from __future__ import annotations

import asyncio
import itertools
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
import pytest

from backfill.events.ddl import DdlDone, DdlLockFailed, DdlWaiting
from backfill.events.event import Event
from backfill.postgres.change import unhurried
from backfill.postgres.change.finish import open_finish
from backfill.values.errors import Stopped
from tests.fixtures_postgres import Database
from tests.integration.change.finishing import HANDLE_KEY, PARTITIONED, fill, finish, finish_job, make_table, until
from tests.integration.change.test_polite_lock import WAIT_MAX_S, holding, selecting
from tests.integration.jobs import job_file, run_sql

pytestmark = pytest.mark.anyio

HELD_S = float(os.environ.get("HELD_S", "2"))
"""How long a transaction holds a partition."""


@pytest.fixture
def users(shared: Database) -> Database:
    make_table(shared, *PARTITIONED)
    return shared


async def test_a_transaction_that_holds_a_partition_is_named_and_readers_hardly_wait(
    users: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("backfill.change.lock_patience.YOUNG_S", HELD_S / 4)
    job = finish_job(not_null=["handle"])
    await fill(users, job)
    events: list[Event] = []
    with selecting(users) as took:
        with holding(users, "select from users_2_1", "report") as report:
            ending = asyncio.ensure_future(finish(users, job, events=events))
            await asyncio.sleep(HELD_S)
            await until(lambda: any(isinstance(event, DdlWaiting) for event in events))
            assert not ending.done()
            assert not [event for event in events if isinstance(event, DdlDone)]
            pid = report.info.backend_pid
        await ending
    waiting = [event.blocker for event in events if isinstance(event, DdlWaiting)]
    failed = [event.blocker for event in events if isinstance(event, DdlLockFailed)]
    assert waiting
    for blocker in (*waiting, *failed):
        assert blocker.startswith(f"pid {pid} (report, postgres), idle in transaction for ")
        assert blocker.endswith(", holds ACCESS SHARE on public.users_2_1")
    assert max(took) < WAIT_MAX_S


async def test_a_build_names_the_older_transaction_that_it_waits_for_and_is_not_timed_out(
    users: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(unhurried, "WATCH_EVERY_S", 0.1)
    run_sql(users, "create table if not exists elsewhere (id int)")
    key = HANDLE_KEY | {"columns": ["id", "handle"]}
    job = finish_job(indexes=[key])
    await fill(users, job)
    events: list[Event] = []
    with psycopg.connect(f"{users.dsn} application_name=report") as report:
        report.execute("set transaction isolation level repeatable read")
        report.execute("select from elsewhere")  # another table: its snapshot is what the build waits for
        pid = report.info.backend_pid
        ending = asyncio.ensure_future(finish(users, job, events=events))
        await until(lambda: any(isinstance(event, DdlWaiting) for event in events))
        await asyncio.sleep(1.2)  # longer than any lock_timeout of ours
        assert not ending.done()
        report.rollback()
    await ending
    blockers = [event.blocker for event in events if isinstance(event, DdlWaiting)]
    assert blockers[0].startswith(f"pid {pid} (report, postgres), idle in transaction for ")
    assert blockers[0].endswith(", whose transaction began earlier")
    assert not [event for event in events if isinstance(event, DdlLockFailed)]
    [(invalid,)] = users.query("select count(*) from pg_index where not indisvalid")
    assert invalid == 0


async def test_a_signal_ends_a_build_at_once_and_the_next_run_goes_on(users: Database, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(unhurried, "WATCH_EVERY_S", 0.1)
    job, stopping = finish_job(indexes=[{"columns": ["handle"]}]), asyncio.Event()
    events: list[Event] = []

    async def sleep(delay_s: float) -> None:
        if stopping.is_set():
            raise Stopped("stopped by SIGTERM", 143)
        await asyncio.sleep(delay_s)

    await fill(users, job)
    with holding(users, "update users set username = username where id = 1"):
        async with open_finish(users.dsn, job, events.append, sleep) as run:
            ending = asyncio.ensure_future(run.run())
            await until(lambda: any(isinstance(event, DdlWaiting) for event in events))
            stopping.set()
            await run.session.interrupt()
            with pytest.raises(Stopped):
                await ending
    await finish(users, job)
    [(invalid,)] = users.query("select count(*) from pg_index where not indisvalid")
    assert invalid == 0


@contextmanager
def writing(database: Database) -> Iterator[list[float]]:
    """Insert, update and delete rows again and again, as an application that knows the column; give what each took."""
    took: list[float] = []
    over = threading.Event()
    statements = (
        "insert into users values (%(id)s, 'new', 'new') on conflict (id) do update set username = excluded.username",
        "update users set username = 'other', handle = handle || 'x' where id = %(id)s",
        "delete from users where id = %(id)s",
    )

    def write(which: int) -> None:
        # Each with rows of its own: ON CONFLICT (id) is no answer to a key of id and another column.
        with psycopg.connect(f"{database.dsn} application_name=application", autocommit=True) as connection:
            for number in itertools.count():
                if over.is_set():
                    return
                began_s = time.monotonic()
                connection.execute(statements[number % 3], {"id": 400 + which + 2 * (number // 3 % 250)})
                took.append(time.monotonic() - began_s)

    with ThreadPoolExecutor(2) as pool:
        writers = [pool.submit(write, which) for which in range(2)]
        try:
            yield took
        finally:
            over.set()
            for writer in writers:
                writer.result(30)  # raises what the application has seen


async def test_an_application_that_writes_all_the_time_sees_no_error_and_hardly_waits(users: Database):
    key = HANDLE_KEY | {"columns": ["id", "handle"]}
    job = job_file(sync="trigger", finish={"not_null": ["handle"], "indexes": [key, {"columns": ["username"]}]})
    await fill(users, job)
    with writing(users) as took, selecting(users) as reads:
        await until(lambda: len(took) > 30)
        done, _ = await finish(users, job)
        written = len(took)
        await until(lambda: len(took) > written + 30)
    assert len(done) == 4
    assert max(*took, *reads) < 2 * WAIT_MAX_S  # two tries in a row may meet one statement
    [(invalid,)] = users.query("select count(*) from pg_index where not indisvalid")
    assert invalid == 0
