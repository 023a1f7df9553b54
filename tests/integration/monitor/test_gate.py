"""Proves on real servers that a gate is closed on a stopped, missing, promoted or unreadable one, and then opens."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from backfill.change.gate_values import GateTerms
from backfill.postgres.monitor.gate_reader import GateColumn, GateReader
from backfill.sandbox import Sandbox
from backfill.service.gate import GateProgress, GateRequest, GateRuntime, GateWatch
from backfill.values.errors import GateClosed
from backfill.values.identifier import TableName
from tests.fixtures_postgres import Cluster, Database
from tests.integration.change.finishing import PARTITIONED, make_table
from tests.integration.jobs import job_file, make_users, run, run_sql

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio


class Gate:
    """One gate, what it has reported, and how it ended."""

    def __init__(
        self,
        dsn: str,
        *,
        jobs: Sequence[str] = (),
        columns: Sequence[str] = (),
        timeout_s: float = 60.0,
        **request: Any,
    ) -> None:
        found = [GateColumn(f"users.{column}", TableName("public", "users"), column) for column in columns]
        self.reader = GateReader(dsn, jobs, found)
        self.progress: list[GateProgress] = []
        self.ended = anyio.Event()
        self.closed: str | None = None
        self.skipped_s = 0.0
        terms = GateTerms(max_lag_s=1.0, calm_s=5.0, lsn=request.pop("lsn", None))
        runtime = GateRuntime(
            now_s=lambda: time.monotonic() + self.skipped_s,
            sleep=anyio.sleep,
            jitter=lambda: 0.0,
            report=self.progress.append,
            report_every_s=0.0,
        )
        self.watch = GateWatch(GateRequest(terms=terms, timeout_s=timeout_s, **request), self.reader, runtime)

    async def run(self) -> Gate:
        try:
            await self.watch.run()
        except GateClosed as error:
            self.closed = str(error)
        finally:
            await self.reader.close()
            self.ended.set()
        return self

    async def reason(self) -> str:
        """Return the first reason that keeps it closed, as soon as there is one."""
        return (await self.reasons(""))[0]

    async def reasons(self, words: str) -> tuple[str, ...]:
        """Return the reasons as soon as these words are among them."""
        for _ in range(1500):
            for one in self.progress:
                if words in str(one.verdict.reasons):
                    return one.verdict.reasons
            await anyio.sleep(0.01)
        raise AssertionError(f"not a reason: {words}: {self.progress}")


@asynccontextmanager
async def watching(*gates: Gate) -> AsyncIterator[None]:
    async with anyio.create_task_group() as tasks:
        for gate in gates:
            tasks.start_soon(gate.run)
        yield


def write(cluster: Cluster) -> None:
    """Write WAL that a paused replica does not replay."""
    cluster.primary.query("select pg_logical_emit_message(true, 'gate', 'change')")


async def test_two_gates_wait_for_a_replica_that_does_not_replay_and_open_when_it_has(cluster: Cluster):
    cluster.replica_a.pause()
    write(cluster)
    gates = Gate(cluster.primary.dsn), Gate(cluster.primary.dsn)
    async with watching(*gates):
        for gate in gates:
            assert (await gate.reason()).startswith("replica-a replay ")
        assert not any(gate.ended.is_set() for gate in gates)
        cluster.replica_a.resume()
    for gate in gates:
        assert gate.closed is None
        assert gate.progress[-1].verdict.replicas == ("replica-a", "replica-b")


async def test_its_time_is_over_while_a_replica_is_behind_that_another_gate_ignores(cluster: Cluster):
    cluster.replica_a.pause()
    write(cluster)
    [(lsn,)] = cluster.primary.query("select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint")
    gate = Gate(cluster.primary.dsn, lsn=lsn)
    async with watching(gate):
        assert (await gate.reason()).startswith("replica-a replay ")
        gate.skipped_s = 60.0
    assert gate.closed is not None
    assert gate.closed.startswith("gate closed after 1m00s: replica-a replay ")
    ignoring = await Gate(cluster.primary.dsn, ignore=("replica-a",)).run()
    assert ignoring.progress[-1].verdict.replicas == ("replica-b",)


async def test_a_replica_that_goes_away_is_missed_until_it_is_back(cluster: Cluster):
    cluster.replica_b.pause()
    write(cluster)
    gate = Gate(cluster.primary.dsn)
    async with watching(gate):
        await gate.reason()
        cluster.link_a.refuse()
        cluster.replica_b.resume()
        await gate.reasons("replica-a is not connected")
        assert not gate.ended.is_set()
        cluster.link_a.restore()
    assert gate.closed is None


async def test_behind_a_frozen_link_it_is_closed_until_its_time_is_over(cluster: Cluster):
    cluster.replica_a.pause()
    write(cluster)
    link = cluster.sandbox.link(cluster.primary)
    gate = Gate(cluster.primary.dsn_through(link))
    async with watching(gate):
        await gate.reason()
        link.freeze()
        cluster.replica_a.resume()
        await gate.reasons("no session: no answer within ")
        gate.skipped_s = 60.0
    assert gate.closed is not None
    assert gate.closed.startswith("gate closed after 1m00s: no session: no answer ")


async def test_a_promoted_standby_keeps_it_closed():
    with Sandbox() as sandbox:
        primary = sandbox.primary()
        standby = sandbox.standby("replica-a", primary)
        standby.pause()
        primary.query("select pg_logical_emit_message(true, 'gate', 'change')")
        gate = Gate(primary.dsn, replicas=(standby.dsn,))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(gate.run)
            await gate.reason()
            standby.promote()
            reasons = await gate.reasons("is not a standby")
            assert any(reason.startswith("replica-a is not connected") for reason in reasons)
            assert not gate.ended.is_set()
            tasks.cancel_scope.cancel()


async def test_columns_and_jobs_are_asked_for(cluster: Cluster, database: Database):
    make_users(database, 50)
    job = job_file()
    first = Gate(
        database.dsn,
        jobs=("users-handle",),
        columns=("handle", "nick"),
        replicas=(cluster.replica_a.dsn_for(dbname=database.name),),
    )
    async with watching(first):
        await first.reason()
        reasons = first.progress[0].verdict.reasons
        assert "primary has no column users.nick" in reasons
        assert "job users-handle was never started in this database" in reasons
        await run(database.dsn, job)
        run_sql(database, "alter table users add column nick text")
    assert first.closed is None
    run_sql(database, "update backfill.checkpoint set proof = null")
    unproven = Gate(database.dsn, jobs=("users-handle",))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(unproven.run)
        await unproven.reasons("job users-handle leaves without a proof 1 > 0")
        tasks.cancel_scope.cancel()


async def test_a_partition_that_is_attached_after_the_proof_keeps_it_closed_until_it_is_proven_too(database: Database):
    make_table(database, *PARTITIONED)
    await run(database.dsn, job_file())
    run_sql(
        database,
        "create table users_3 (like users including defaults)",
        "alter table users attach partition users_3 for values from (1000) to (2000)",
        "create table users_4 partition of users for values from (2000) to (3000)",  # it has no rows
        "insert into users_3 values (1000, 'late')",
    )
    gate = Gate(database.dsn, jobs=("users-handle",))
    async with watching(gate):
        await gate.reasons("job users-handle leaves without a proof 1 > 0 (attached later: public.users_3)")
        await run(database.dsn, job_file())
    assert gate.closed is None
