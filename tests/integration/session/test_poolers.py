"""PgBouncer between a worker and its server: in session mode all is as without it, any other mode is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest

from backfill.postgres.plan.make import make_plan
from backfill.postgres.session import pooler as pooling
from backfill.postgres.state.schema import init
from backfill.postgres.state.status import read_status
from backfill.sandbox.wait import wait_until
from backfill.throttle.signals import Signals
from backfill.upkeep.vacuum_choice import VacuumCost
from backfill.values.errors import Halted, StatementRefused
from tests.acceptance.worker import run_job, write_job
from tests.fixtures_postgres import Cluster, Database
from tests.integration.jobs import asleep, fill, job_file, make_users, next_cut, open_leaf, run, run_sql, session
from tests.integration.worker import Worker as Session
from tests.pooler import Pooler, why_absent

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(why_absent() is not None, reason=str(why_absent()))]

ROWS = 5000
SHARED = ["transaction", "statement"]
ADVICE = "give a DSN of the server itself, or of a pool in session mode"


@pytest.fixture
def pool(cluster: Cluster, database: Database) -> Iterator[Callable[..., Pooler]]:
    """Make poolers before the primary; table users is filled through them."""
    make_users(database, ROWS)
    with ExitStack() as stack:
        yield lambda **how: stack.enter_context(Pooler(cluster.sandbox, cluster.primary, **how))


def unfilled(database: Database) -> int:
    [(count,)] = database.query("select count(*) from users where handle is distinct from username")
    return int(count)


def locks(database: Database) -> list[tuple[Any, ...]]:
    return database.query(
        "select pid from pg_locks where locktype = 'advisory'"
        " and database = (select oid from pg_database where datname = current_database())"
    )


@pytest.mark.parametrize("auth", ["trust", "scram-sha-256"])
async def test_in_session_mode_a_job_is_filled_and_the_pool_is_left_as_it_was(
    database: Database, pool: Callable[..., Pooler], auth: str
):
    dsn = pool(auth=auth).dsn(database.name)
    finished, _ = await run(dsn, job_file(lanes=2, batch={"rows": 500, "max_rows": 500}))
    assert (finished.state, finished.rows_total) == ("done", ROWS)
    assert unfilled(database) == 0
    wait_until(lambda: not locks(database), "the pool has given our locks back")
    ours = "select from pg_stat_activity where datname = current_database() and application_name like 'backfill:%%'"
    wait_until(lambda: not database.query(ours), "no session of the pool bears our name")
    with psycopg.connect(dsn, autocommit=True) as next_client:
        [now] = next_client.execute("select current_setting('synchronous_commit'), pg_backend_pid()").fetchall()
    assert now[0] == "on"


async def test_in_session_mode_a_statement_is_cancelled_and_its_batch_rolled_back(
    database: Database, pool: Callable[..., Pooler]
):
    run_sql(database, "create function nap(text) returns text language sql as 'select $1 from pg_sleep(60)'")
    dsn = pool().dsn(database.name)
    async with session(dsn, job_file(set={"handle": "nap(username)"}, statement_timeout="1h")) as worker:
        checkpoint = (await open_leaf(worker)).checkpoints[0]
        batch = asyncio.ensure_future(fill(worker, checkpoint, await next_cut(worker, checkpoint, 100)))
        await asleep(database)
        await worker.cancel()
        with pytest.raises(StatementRefused, match="canceling statement due to user request"):
            await batch
    assert unfilled(database) == ROWS


async def test_our_vacuum_behind_a_pooler_gives_way_to_whoever_waits(database: Database, pool: Callable[..., Pooler]):
    """It is known by the process that runs it, not by the one that the protocol tells of."""
    async with session(pool().dsn(database.name), job_file()) as worker:
        await open_leaf(worker)
        run_sql(database, "delete from users where id % 2 = 0")
        await worker.start_vacuum(VacuumCost(1, 100.0))
        progress = "select pid from pg_stat_progress_vacuum"
        await until(worker, lambda _: database.query(progress))
        assert database.query(progress) == [(worker.session._shared.signals.vacuum.pid,)]
        assert (await worker.read_signals()).upkeep.vacuumed_by is None
        await asyncio.to_thread(run_sql, database, "alter table users add column more int")
        ended = (await until(worker, lambda seen: seen.vacuumed)).vacuumed
    assert ended is not None
    assert ended.stopped == "sessions waiting for it 1 > 0"


async def until(worker: Session, condition: Callable[[Signals], object]) -> Signals:
    """Wait as a worker does: it reads all the while, or its vacuum would end."""
    for _ in range(500):
        if condition(seen := await worker.lane.read_signals()):
            return seen
        await asyncio.sleep(0.02)
    raise AssertionError("not in time")


async def test_a_pool_with_a_single_connection_is_enough_for_a_job(
    monkeypatch: pytest.MonkeyPatch, database: Database, pool: Callable[..., Pooler]
):
    """The second connection, by which another mode would show, waits in vain for its turn."""
    monkeypatch.setattr(pooling, "PROOF_S", 0.2)
    dsn = pool(settings={"default_pool_size": "1"}).dsn(database.name)
    finished, _ = await run(dsn, job_file(vacuum="off"))
    assert (finished.state, unfilled(database)) == ("done", 0)


@pytest.mark.parametrize("mode", SHARED)
async def test_another_mode_is_refused_by_every_command_before_anything_is_set(
    database: Database, pool: Callable[..., Pooler], mode: str
):
    dsn = pool(mode=mode).dsn(database.name)
    for command in (
        lambda: Session(dsn, job_file()).__aenter__(),
        lambda: make_plan(dsn, job_file()),
        lambda: read_status(dsn, None),
        lambda: init(dsn, None),
    ):
        with pytest.raises(Halted, match=r"to two of our connections: it pools .*; " + ADVICE):
            await command()
    with psycopg.connect(dsn, autocommit=True) as next_client:
        names = ("statement_timeout", "synchronous_commit", "row_security")
        [now] = next_client.execute("select " + ", ".join(f"current_setting('{one}')" for one in names)).fetchall()
    assert now == ("0", "on", "on")
    assert database.query("select to_regnamespace('backfill')") == [(None,)]
    assert locks(database) == []


async def test_a_pool_that_hands_out_its_processes_in_turn_is_refused(database: Database, pool: Callable[..., Pooler]):
    dsn = pool(mode="transaction", settings={"server_round_robin": "1"}).dsn(database.name)
    with ExitStack() as stack:
        busy = [stack.enter_context(psycopg.connect(dsn)) for _ in range(5)]
        pids = {one.execute("select pg_backend_pid()").fetchone() for one in busy}
    assert len(pids) == 5
    with pytest.raises(Halted, match=ADVICE):
        await Session(dsn, job_file()).__aenter__()


async def test_a_pool_that_begins_to_share_halts_the_next_batch_with_nothing_done(
    database: Database, pool: Callable[..., Pooler]
):
    """What no look at the start can see: the pool's mode is changed while a worker has a session."""
    pooler = pool()
    dsn = pooler.dsn(database.name)
    async with session(dsn, job_file(batch={"stripes": 1})) as worker:
        checkpoint = (await open_leaf(worker)).checkpoints[0]
        done = await fill(worker, checkpoint, await next_cut(worker, checkpoint, 1000))
        pid = worker.connection.server_pid
        pooler.admin("set pool_mode = 'transaction'")
        batch_range = await next_cut(worker, done.checkpoint, 1000)
        with psycopg.connect(dsn) as other:  # a transaction of another client, in the process that has our locks
            assert other.execute("select pg_backend_pid()").fetchone() == (pid,)
            with pytest.raises(Halted, match=rf"moved this session from server process {pid} to \d+, .*; {ADVICE}"):
                await fill(worker, done.checkpoint, batch_range)
            with pytest.raises(Halted, match=f"moved this session from server process {pid} to "):
                await worker.try_lock()
    assert unfilled(database) == ROWS - done.rows
    assert database.query("select rows_total from backfill.checkpoint") == [(done.rows,)]


@pytest.mark.timeout(120)
def test_a_worker_and_its_pooler_are_killed_and_the_job_ends_all_the_same(
    database: Database, pool: Callable[..., Pooler], tmp_path: Path
):
    pooler = pool()
    dsn = pooler.dsn(database.name)
    slow = write_job(tmp_path, **{"1GB/s": "400kB/s"})
    with run_job(dsn, slow) as worker:
        worker.until("BatchDone")
        worker.kill()
    with run_job(dsn, slow) as worker:
        assert worker.until("Started")["resumed"] is True
        worker.until("BatchDone")
        pooler.kill()
        worker.until("RetryScheduled", reason="connection")
        pooler.start()
        assert worker.end() == 0, worker.stderr
    assert unfilled(database) == 0


def test_the_command_ends_with_4_and_says_what_to_give_it(
    database: Database, pool: Callable[..., Pooler], tmp_path: Path
):
    dsn = pool(mode="transaction").dsn(database.name)
    with run_job(dsn, write_job(tmp_path)) as worker:
        assert worker.end() == 4
    assert worker.stderr.startswith("backfill: a pooler gave server process ")
    assert worker.stderr.endswith(f"; {ADVICE}\n")
