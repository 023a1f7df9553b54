"""A dead synchronous standby: the state is written all the same, and a session that hangs in its commit blocks nobody."""

from __future__ import annotations

from collections.abc import Iterator

import anyio
import psycopg
import pytest
from psycopg import sql

from backfill.sandbox import Sandbox, Server, Standby
from backfill.sandbox.binaries import find_binaries
from backfill.table.checkpoint import Tid
from backfill.table.row_counts import BatchRange
from backfill.throttle.conditions.seen_replicas import SeenReplica
from backfill.throttle.wait_reason import WaitKind, WaitReason
from backfill.values.errors import ConnectionLost
from tests.fixtures_postgres import Database
from tests.integration.jobs import fill, job_file, make_users, open_leaf, session, take_lock
from tests.integration.worker import Worker as Session
from tests.majors import binaries, major_of, why_absent

pytestmark = [pytest.mark.anyio, pytest.mark.majors(14, 18)]

JOB = job_file(synchronous_commit="on")
REASON = WaitReason(WaitKind.MISSING, "replica-a is not connected")


@pytest.fixture(scope="module")
def pair(major: int) -> Iterator[tuple[Server, Standby]]:
    usual = find_binaries()
    if major_of(usual) != major and (reason := why_absent(major)):
        pytest.skip(reason)
    with Sandbox((usual if major_of(usual) == major else binaries(major)).directory) as sandbox:
        primary = sandbox.primary()
        yield primary, sandbox.standby("replica-a", primary)


@pytest.fixture
def users(pair: tuple[Server, Standby]) -> Iterator[Database]:
    """Table users on a primary whose commits wait for replica-a; the standby runs."""
    primary, standby = pair
    with psycopg.connect(primary.dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier("sync")))
    database = Database("sync", primary)
    make_users(database, 500)
    standby.wait_streaming()
    primary.configure({"synchronous_standby_names": '"replica-a"'})
    yield database
    primary.configure({"synchronous_standby_names": ""})
    standby.start()
    primary.query("drop database sync with (force)")


async def test_the_state_is_saved_and_a_hanging_session_gives_its_locks_back(
    users: Database, pair: tuple[Server, Standby]
):
    _, standby = pair
    async with session(users.dsn, JOB) as worker:
        checkpoint = (await open_leaf(worker)).checkpoints[0]
        first = await fill(worker, checkpoint, BatchRange(end=Tid(1), rows=100))
        standby.stop(immediate=True)
        with anyio.fail_after(10):
            await worker.save_wait(REASON, (SeenReplica(name="replica-a"),))
        assert users.query("select reason from backfill.job") == [(str(REASON),)]
        worker.connection.answer_s = 1.0
        with pytest.raises(ConnectionLost, match="no answer within 1s"):
            await fill(worker, first.checkpoint, BatchRange(end=Tid(2), rows=100))
        waiting = "select count(*) from pg_stat_activity where wait_event = 'SyncRep' and datname = 'sync'"
        async with Session(users.dsn, JOB) as successor:
            await take_lock(successor)
            with anyio.fail_after(10):
                opened = await open_leaf(successor)
            assert opened.checkpoints[0].next == Tid(2)
            assert users.query(waiting) == [(0,)]
