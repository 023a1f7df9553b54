"""Our VACUUM on a real server: it makes room, gives way to whoever waits, and is never left behind."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import psycopg
import pytest

from backfill.events.vacuum import VacuumNotPermitted, VacuumStarted
from backfill.postgres.plan.make import make_plan
from backfill.postgres.session.sql_files import statement
from backfill.throttle.signals import Upkeep, VacuumResult
from backfill.upkeep import vacuum
from backfill.upkeep.vacuum_choice import VacuumCost
from tests.fixtures_postgres import Database
from tests.integration.jobs import connected, job_file, make_users, run, run_sql, session
from tests.integration.worker import Worker as Session

pytestmark = pytest.mark.anyio

FAST, SLOW = VacuumCost(10_000, 1.0), VacuumCost(1, 100.0)
"""As quick as it gets, and a page in tenths of a second: longer than any test."""
WAIT_S = 20.0
SOON_S = 15.0
"""On a busy machine; the slow one takes longer."""
OURS = "select pid from pg_stat_activity where application_name like 'backfill:vacuum:%%'"
PROGRESS = "select pid from pg_stat_progress_vacuum"
ROWS = 30_000


async def until(condition: Callable[[], Any]) -> Any:
    deadline_s = time.monotonic() + WAIT_S
    while not (found := condition()):
        assert time.monotonic() < deadline_s
        await anyio.sleep(0.02)
    return found


async def ended(worker: Session) -> VacuumResult:
    """Read until it is over."""
    deadline_s = time.monotonic() + WAIT_S
    while (found := (await worker.lane.read_signals()).vacuumed) is None:
        assert time.monotonic() < deadline_s
        await anyio.sleep(0.05)
    return found


async def fresh_upkeep(worker: Session, condition: Callable[[Upkeep], bool]) -> Upkeep:
    deadline_s = time.monotonic() + WAIT_S
    while not condition(found := (await worker.lane.read_signals()).upkeep):
        assert time.monotonic() < deadline_s, found
        await anyio.sleep(0.05)
    return found


async def slow(database: Database, worker: Session) -> int:
    """Start one that takes longer than the test; return its server process once it is at work."""
    await worker.start_vacuum(SLOW)
    [(pid,)] = await until(lambda: database.query(PROGRESS))
    return int(pid)


@pytest.fixture
def users(database: Database) -> Database:
    """A table of which a third is dead."""
    make_users(database, 3000)
    run_sql(database, "update users set handle = 'x' where id % 3 = 0")
    return database


async def test_it_removes_what_is_dead_and_says_how_much(users: Database):
    async with session(users.dsn, job_file()) as worker:
        await worker.begin()
        await worker.open("public.users")
        await worker.start_vacuum(FAST)
        found = await ended(worker)
        assert (found.result, found.removed, found.held) == ("done", 1000, 0)
        assert found.wal_bytes is None or found.wal_bytes > 0  # before 15 it is not said
        await worker.start_vacuum(FAST)
        assert (await ended(worker)).removed in (0, None)
    counts = "select vacuum_count, n_dead_tup from pg_stat_user_tables where relname = 'users'"
    await until(lambda: users.query(counts) == [(3, 0)])  # before 15 a little later


async def test_what_an_older_snapshot_holds_is_counted(database: Database):
    make_users(database, 3000)
    with psycopg.connect(database.dsn) as holder:
        holder.execute("set transaction isolation level repeatable read")
        holder.execute("select count(*) from users")
        run_sql(database, "update users set handle = 'x' where id % 3 = 0")
        async with session(database.dsn, job_file()) as worker:
            await worker.begin()
            await worker.open("public.users")
            await worker.start_vacuum(FAST)
            found = await ended(worker)
    assert (found.result, found.removed or 0, found.held) == ("done", 0, 1000)


@pytest.mark.parametrize(
    "statement",
    ["alter table users add column wanted int", "create index on users (handle)", "analyze users"],
)
async def test_who_waits_for_it_gets_through(users: Database, statement: str):
    async with session(users.dsn, job_file()) as worker:
        await worker.begin()
        await worker.open("public.users")
        await slow(users, worker)
        began_s = time.monotonic()
        await anyio.to_thread.run_sync(run_sql, users, statement)
        took_s = time.monotonic() - began_s
        found = await ended(worker)
    assert took_s < SOON_S
    assert (found.result, found.stopped) == ("stopped", "sessions waiting for it 1 > 0")


async def test_who_waits_behind_another_gets_through_as_well(users: Database):
    """An ALTER TABLE behind our vacuum, and a SELECT behind that one: the application stands still until both are by."""
    async with session(users.dsn, job_file()) as worker:
        await worker.begin()
        await worker.open("public.users")
        await slow(users, worker)
        alter = threading.Thread(target=run_sql, args=(users, "alter table users add column wanted int"))
        alter.start()
        began_s = time.monotonic()
        await anyio.to_thread.run_sync(run_sql, users, "select count(*) from users")
        assert time.monotonic() - began_s < SOON_S
        await anyio.to_thread.run_sync(alter.join)
        assert (await ended(worker)).result == "stopped"


async def test_batches_do_not_wait_for_it(users: Database):
    async with session(users.dsn, job_file(lock_timeout="100ms")) as worker:
        await worker.begin()
        opened = await worker.open("public.users")
        await slow(users, worker)
        assert [checkpoint.pass_number for checkpoint in await worker.new_pass(opened.checkpoints)] == [2]
        assert (await worker.verify(1)).rows_left == 2000
        assert (await worker.read_signals()).vacuumed is None


async def test_it_is_no_old_snapshot_and_no_vacuum_of_somebody_else(users: Database):
    async with session(users.dsn, job_file()) as worker:
        await worker.begin()
        await worker.open("public.users")
        await slow(users, worker)
        await anyio.sleep(1.2)  # upkeep is read once a second
        upkeep = (await worker.read_signals()).upkeep
    assert upkeep.vacuumed_by is None
    assert upkeep.oldest_snapshot_s is None or upkeep.oldest_snapshot_s < 1.0


async def test_a_vacuum_of_somebody_else_is_seen_and_ours_does_not_wait_for_it(users: Database):
    other = "set vacuum_cost_delay = 100; set vacuum_cost_limit = 1"
    with psycopg.connect(users.dsn, autocommit=True) as somebody:
        pid = somebody.info.backend_pid
        somebody.execute(other.encode())
        vacuum_supervisor = threading.Thread(target=_ignoring_cancel, args=(somebody, "vacuum users"))
        vacuum_supervisor.start()
        try:
            await until(lambda: users.query(PROGRESS))
            async with session(users.dsn, job_file()) as worker:
                await worker.begin()
                await worker.open("public.users")
                upkeep = (await worker.read_signals()).upkeep
                await worker.start_vacuum(FAST)
                found = await ended(worker)
        finally:
            somebody.cancel_safe()
            vacuum_supervisor.join()
    assert upkeep.vacuumed_by == f"client backend (pid {pid})"
    assert (found.result, found.failed) == ("stopped", None)
    assert found.stopped is not None
    assert "lock not available" in found.stopped


def _ignoring_cancel(connection: psycopg.Connection[Any], statement: str) -> None:
    with suppress(psycopg.errors.QueryCanceled):
        connection.execute(statement.encode())


async def test_a_stop_ends_it_at_once_also_before_it_has_begun(users: Database):
    async with session(users.dsn, job_file()) as worker:
        await worker.begin()
        await worker.open("public.users")
        assert await worker.stop_vacuum("nothing runs") is None
        for wait in (False, True):
            await worker.start_vacuum(SLOW)
            if wait:
                await until(lambda: users.query(PROGRESS))
            began_s = time.monotonic()
            found = await worker.stop_vacuum("we say so")
            assert time.monotonic() - began_s < SOON_S
            assert found is not None
            assert (found.result, found.stopped) == ("stopped", "we say so")
            assert users.query(PROGRESS) == []


async def test_the_end_of_the_session_is_its_end(users: Database):
    async with session(users.dsn, job_file()) as worker:
        await worker.begin()
        await worker.open("public.users")
        await slow(users, worker)
    assert await until(lambda: users.query(OURS) == [])


async def test_one_that_nobody_asks_after_ends(users: Database, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(vacuum, "STALE_S", 2.0)
    async with session(users.dsn, job_file()) as worker:
        await worker.begin()
        await worker.open("public.users")
        await slow(users, worker)
        await until(lambda: users.query(PROGRESS) == [])
        found = await ended(worker)
    assert found.stopped is not None
    assert found.stopped.startswith("no signals read for ")


async def test_a_connection_that_is_lost_is_a_vacuum_that_failed(users: Database):
    async with session(users.dsn, job_file()) as worker:
        await worker.begin()
        await worker.open("public.users")
        pid = await slow(users, worker)
        users.query("select pg_terminate_backend(%s)", pid)
        found = await ended(worker)
        assert (found.result, bool(found.failed)) == ("failed", True)
        await worker.start_vacuum(FAST)
        assert (await ended(worker)).result == "done"


KILLED = """
import asyncio, sys
from backfill.upkeep.vacuum_choice import VacuumCost
from backfill.postgres.work.job_session import open_job
from backfill.jobfile.load import load

async def main():
    async with open_job(sys.argv[1], load(sys.argv[2], "job.yaml")) as session:
        await session.begin()
        async with session.open_leaf("public.users") as leaf:
            [lane] = await leaf.lanes(1)
            await lane.start_vacuum(VacuumCost(1, 100.0))
            while True:
                await lane.read_signals()
                await asyncio.sleep(0.1)

asyncio.run(main())
"""


async def test_sigkill_leaves_none_behind_for_long(users: Database):
    text = "name: users-handle\ntable: users\nset: {handle: username}\nwhere: handle IS NULL\n"
    process = await anyio.open_process([sys.executable, "-c", KILLED, users.dsn, text], cwd=Path(__file__).parents[3])
    try:
        await until(lambda: users.query(PROGRESS))
    finally:
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()
        await process.aclose()
    began_s = time.monotonic()
    await until(lambda: users.query(OURS) == [])
    assert time.monotonic() - began_s < SOON_S


async def role(database: Database, *grants: str) -> str:
    """Make a role that may fill users, with more rights still; return its conninfo."""
    name = f"filler_{database.name[-6:]}"
    run_sql(
        database,
        f"create role {name} login",
        f"grant pg_monitor to {name}",
        f"grant create on database {database.name} to {name}",
        f"grant select, update on users to {name}",
        *(grant.format(name) for grant in grants),
    )
    return database.dsn_for(name)


async def no_role(database: Database) -> None:
    name = f"filler_{database.name[-6:]}"
    run_sql(database, f"drop owned by {name} cascade", f"drop role {name}")


def wanted_grant(database: Database) -> str:
    name = f"filler_{database.name[-6:]}"
    [(version,)] = database.query("select current_setting('server_version_num')::int")
    return f"GRANT MAINTAIN ON public.users TO {name};" if version >= 170000 else ""


def not_permitted(database: Database) -> str:
    grant = wanted_grant(database)
    why = f"permission denied; run: {grant}" if grant else "before PostgreSQL 17 only the owner of the table"
    return f"vacuum: auto cannot vacuum public.users: {why}"


async def test_no_right_is_reported_once_with_what_gives_it_and_the_table_is_filled(database: Database):
    make_users(database, ROWS)
    dsn = await role(database)
    try:
        job = job_file(batch={"stripes": 1}, throttle={"max_wal_rate": "1GB/s"})
        told = not_permitted(database)
        against = (await make_plan(dsn, job)).against
        assert any(text.startswith(told) for text in against)
        finished, events = await run(dsn, job)
        assert finished.state == "done"
        [refused] = [one.why for one in events if isinstance(one, VacuumNotPermitted)]
        assert refused.startswith(told)
        assert "GRANT postgres" not in refused, "a superuser's role is never recommended"
        assert not any(isinstance(one, VacuumStarted) for one in events)
        off = await make_plan(dsn, job_file(vacuum="off"))
        assert not any(text.startswith("vacuum: auto") for text in off.against)
    finally:
        await no_role(database)


async def test_the_grant_gives_the_right(users: Database):
    dsn = await role(users)
    try:
        async with session(dsn, job_file()) as worker:
            await worker.begin()
            await worker.open("public.users")
            needs = (await worker.read_signals()).upkeep.vacuum_needs
            assert needs == wanted_grant(users)
            run_sql(users, needs or f"alter table users owner to filler_{users.name[-6:]}")
            await fresh_upkeep(worker, lambda upkeep: upkeep.vacuum_needs is None)
            await worker.start_vacuum(FAST)
            assert (await ended(worker)).result == "done"
    finally:
        run_sql(users, "alter table users owner to postgres")
        await no_role(users)


async def test_a_superuser_s_session_takes_english_messages_and_another_role_s_keeps_its_own(users: Database):
    worker = await role(users)
    run_sql(users, f"alter database {users.name} set lc_messages = 'POSIX'")
    try:
        for dsn, language in ((users.dsn, "C"), (worker, "POSIX")):
            async with connected(dsn, job_file()) as connection:
                await connection.execute(statement("work/take_plain_messages"))
                assert await (await connection.execute("show lc_messages")).fetchone() == (language,)
    finally:
        run_sql(users, f"alter database {users.name} reset lc_messages")
        await no_role(users)


async def test_upkeep_counts_vacuums_and_knows_the_last_checkpoint(users: Database):
    async with session(users.dsn, job_file()) as worker:
        await worker.begin()
        await worker.open("public.users")
        before = await fresh_upkeep(worker, lambda upkeep: upkeep.vacuums == 1)
        assert before.live_tuples == 3000
        assert before.vacuum_needs is None
        assert before.redo_lsn is not None
        run_sql(users, "vacuum users", "checkpoint")
        counted = await fresh_upkeep(worker, lambda upkeep: upkeep.vacuums == 2)
    assert counted.redo_lsn is not None
    assert counted.redo_lsn > before.redo_lsn
