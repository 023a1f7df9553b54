"""Full-page images compressed in our own transactions, on servers of each kind: where the role may, and only there."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator

import anyio
import pytest

from backfill.engine.ports import Runtime
from backfill.engine.supervisor import JobSupervisor
from backfill.engine.upkeep.compression import REVOKED
from backfill.events.batch import BatchDone, CompressionChanged
from backfill.events.event import Event
from backfill.postgres.session.server import read_server
from backfill.postgres.state.schema import init_script
from backfill.postgres.work.compression import read_support
from backfill.postgres.work.job_session import open_job
from backfill.table.batch import Committed
from backfill.upkeep.compression import METHODS
from backfill.upkeep.vacuum_choice import VacuumCost
from backfill.values.compression_support import ServerSupport
from backfill.values.errors import JobError
from tests.factories import admission, run_order
from tests.fixtures_postgres import Database
from tests.integration.jobs import (
    connected,
    job_file,
    make_users,
    next_cut,
    open_leaf,
    run_sql,
    session,
)
from tests.integration.worker import Worker as Session

pytestmark = [pytest.mark.anyio, pytest.mark.majors(14, 17, 18)]

ROWS = 4000
PASSWORD = "secret"
PLAIN = {"batch": {"stripes": 1, "rows": 1000}}


@pytest.fixture
def users(server: Database) -> Database:
    """Table users anew, each of its pages older than the last checkpoint, and no job."""
    run_sql(server, "drop table if exists users", "drop schema if exists backfill cascade")
    make_users(server, ROWS)
    run_sql(server, "checkpoint")
    return server


@pytest.fixture
def worker(users: Database) -> Iterator[str]:
    """A role with a worker's least rights."""
    name = f"worker_{secrets.token_hex(4)}"
    run_sql(
        users,
        f"create role {name} login password '{PASSWORD}'",
        f"grant select, update (handle) on users to {name}",
        init_script(name),
    )
    yield name
    run_sql(users, f"drop owned by {name}", f"drop role {name}")


def grantable(database: Database) -> bool:
    return database.query("select current_setting('server_version_num')::int >= 150000") == [(True,)]


def may(database: Database, role: str) -> str:
    """The statement that lets a role compress, whatever the server's version."""
    return (
        f"grant set on parameter wal_compression to {role}" if grantable(database) else f"alter role {role} superuser"
    )


def may_not(database: Database, role: str) -> str:
    if grantable(database):
        return f"revoke set on parameter wal_compression from {role}"
    return f"alter role {role} nosuperuser"


def dsn_of(database: Database, role: str) -> str:
    return database.dsn_for(role, PASSWORD)


async def offer_of(dsn: str, **keys: object) -> ServerSupport:
    job = job_file(**keys)
    async with connected(dsn, job) as connection:
        return await read_support(connection, job.job, await read_server(connection))


def refusal(database: Database, role: str) -> str:
    mend = f"run: GRANT SET ON PARAMETER wal_compression TO {role};"
    mend = mend if grantable(database) else "that needs a superuser before PostgreSQL 15"
    return f"role '{role}' may not set wal_compression; {mend}"


async def test_the_best_method_of_the_server_is_offered(users: Database):
    [(known,)] = users.query("select enumvals from pg_settings where name = 'wal_compression'")
    expected = next(one for one in METHODS if one in (known or ["pglz"]))
    assert await offer_of(users.dsn) == ServerSupport(expected)
    assert await offer_of(users.dsn, wal_compression="off") == ServerSupport(
        why="the job file says wal_compression: off"
    )


async def test_a_role_without_the_right_learns_what_gives_it(users: Database, worker: str):
    assert await offer_of(dsn_of(users, worker)) == ServerSupport(why=refusal(users, worker))
    run_sql(users, may(users, worker))
    assert (await offer_of(dsn_of(users, worker))).method in METHODS


async def test_a_job_that_insists_is_refused_at_its_key(users: Database, worker: str):
    job = job_file(wal_compression="on")
    with pytest.raises(JobError) as caught:
        async with Session(dsn_of(users, worker), job):
            pass
    assert str(caught.value) == f"job.yaml:5:19: {refusal(users, worker)}"
    run_sql(users, may(users, worker))
    async with Session(dsn_of(users, worker), job):
        pass


async def test_a_server_that_compresses_by_itself_is_left_alone(users: Database, worker: str):
    run_sql(users, f"alter role {worker} in database {users.name} set wal_compression = on")
    assert await offer_of(dsn_of(users, worker), wal_compression="on") == ServerSupport(already="pglz")


async def test_a_batch_that_compresses_writes_less_and_its_session_does_not_go_on(users: Database):
    method = (await offer_of(users.dsn)).method
    async with session(users.dsn, job_file(**PLAIN)) as worker:
        opened = await open_leaf(worker)
        [checkpoint] = opened.checkpoints
        assert (await worker.begin()).compression == ServerSupport(method)
        row_bytes = []
        for compression in (None, method):
            batch_range = await next_cut(worker, checkpoint, 1000)
            done = await run_order(
                worker.lane, checkpoint, batch_range, admission(batch_range.rows, compression=compression)
            )
            assert isinstance(done, Committed)
            assert not done.compression_refused
            row_bytes.append(done.wal_bytes / done.rows)
            checkpoint = done.checkpoint
        cursor = await worker.connection.execute("show wal_compression")
        assert await cursor.fetchone() == ("off",)
    plain, compressed = row_bytes
    assert compressed < 0.85 * plain
    kept = users.query("select inputs ->> 'compression' from backfill.batch order by sequence")
    assert kept == [(None,), (method,)]


async def test_a_vacuum_of_ours_compresses_as_the_batches_before_it_do(users: Database):
    method = (await offer_of(users.dsn)).method
    lsn = "select (pg_current_wal_insert_lsn() - '0/0')::bigint"
    written = []
    async with session(users.dsn, job_file(**PLAIN)) as worker:
        [checkpoint] = (await open_leaf(worker)).checkpoints
        for compression in (None, method):
            batch_range = await next_cut(worker, checkpoint, 1000)
            done = await run_order(
                worker.lane, checkpoint, batch_range, admission(batch_range.rows, compression=compression)
            )
            assert isinstance(done, Committed)
            checkpoint = done.checkpoint
            run_sql(users, "update users set email = email where id % 2 = 0", "checkpoint")
            [(before,)] = users.query(lsn)
            await worker.start_vacuum(VacuumCost(10_000, 1.0))
            deadline_s = time.monotonic() + 20
            while (ended := (await worker.read_signals()).vacuumed) is None:
                assert time.monotonic() < deadline_s
                await anyio.sleep(0.02)
            assert (ended.stopped, ended.failed) == (None, None)
            [(after,)] = users.query(lsn)
            written.append(after - before)
    plain, compressed = written
    assert compressed < 0.7 * plain


async def test_a_right_that_is_gone_costs_the_compression_and_not_the_batch(users: Database, worker: str):
    run_sql(users, may(users, worker))
    async with session(dsn_of(users, worker), job_file(**PLAIN)) as one:
        opened = await open_leaf(one)
        [checkpoint] = opened.checkpoints
        method = (await one.begin()).compression.method
        run_sql(users, may_not(users, worker))
        batch_range = await next_cut(one, checkpoint, 1000)
        done = await run_order(one.lane, checkpoint, batch_range, admission(batch_range.rows, compression=method))
    assert isinstance(done, Committed)
    assert (done.rows, done.compression_refused) == (batch_range.rows, True)
    assert users.query("select count(*) from users where handle is not null") == [(done.rows,)]
    assert users.query("select inputs ->> 'compression' from backfill.batch") == [(None,)]


async def run_with(dsn: str, record: Callable[[Event], None], **keys: object) -> str:
    job = job_file(**keys)
    runtime = Runtime(record=record, now_s=time.monotonic, sleep=anyio.sleep, jitter=lambda: 0.5)
    return (await JobSupervisor(job.job, lambda: open_job(dsn, job), runtime, wait_for_lock=True).run()).state


async def test_a_job_goes_on_without_a_right_that_is_taken_away_in_mid_run(users: Database, worker: str):
    run_sql(users, may(users, worker))
    events: list[Event] = []

    def record(event: Event) -> None:
        events.append(event)
        if sum(isinstance(one, BatchDone) for one in events) == 2 and isinstance(event, BatchDone):
            run_sql(users, may_not(users, worker))

    small = {"rows": 500, "min_rows": 500, "max_rows": 500, "stripes": 1}
    assert await run_with(dsn_of(users, worker), record, wal_compression="on", batch=small) == "done"
    told = [(one.method, one.why) for one in events if isinstance(one, CompressionChanged)]
    assert [why for _, why in told] == ["as the job file says", REVOKED]
    assert (told[0][0] in METHODS, told[1][0]) == (True, None)
    kept = users.query("select inputs from backfill.batch order by sequence")
    assert [one["compression"] is None for (one,) in kept[:4]] == [False, False, True, True]
    assert users.query("select count(*) from users where handle is null") == [(0,)]


@pytest.mark.majors(18)
async def test_a_job_that_its_own_rate_limits_begins_to_compress(users: Database):
    """So slowly that each batch waits: after some of them the job turns to compression by itself, and says so."""
    events: list[Event] = []
    small = {"rows": 100, "min_rows": 100, "max_rows": 100, "stripes": 1}
    keys = {"batch": small, "throttle": {"max_wal_rate": "48kB/s"}, "where": "handle IS NULL AND id <= 1000"}
    assert await run_with(users.dsn, events.append, **keys) == "done"
    told = [one for one in events if isinstance(one, CompressionChanged)]
    assert told
    assert (told[0].method in METHODS, told[0].why) == (True, "WAL limits the job")
    assert users.query("select count(*) > 0 from backfill.batch where inputs ->> 'compression' is not null") == [
        (True,)
    ]
