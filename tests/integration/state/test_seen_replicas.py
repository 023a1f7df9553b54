"""A replica is missed where it was seen: not after a typo, a dump and restore, a failover, or under another address."""

from __future__ import annotations

import pytest

from backfill.throttle.conditions.seen_replicas import SeenReplica
from backfill.throttle.wait_reason import WaitKind, WaitReason
from tests.fixtures_postgres import Cluster, Database
from tests.integration.jobs import job_file, make_users, run, run_sql, session

pytestmark = pytest.mark.anyio

SEEN = (
    SeenReplica(name="replica-a", application_name="replica-a", address="10.0.0.1", since="2026-11-29 10:02 UTC"),
    SeenReplica(name="replica-b"),
)


@pytest.fixture
def users(shared: Database) -> Database:
    run_sql(shared, "drop table if exists users cascade", "drop schema if exists backfill cascade")
    make_users(shared, 100)
    return shared


@pytest.mark.parametrize(
    "moved", ["timeline = timeline - 1", "system_identifier = system_identifier - 1", "system_identifier = null"]
)
async def test_replicas_are_missed_on_the_same_server_and_timeline_only(users: Database, moved: str):
    job = job_file()
    async with session(users.dsn, job) as worker:
        assert (await worker.begin()).replicas_seen == ()
        await worker.save_wait(WaitReason(WaitKind.LAG, "replica-a lag 12.4s > 10s"), SEEN)
        assert users.query("select reason from backfill.job") == [("replica-a lag 12.4s > 10s",)]
    async with session(users.dsn, job) as worker:
        assert (await worker.begin()).replicas_seen == SEEN
        await worker.save_wait(None, SEEN)
    assert users.query("select kind, text from backfill.event") == [("lag", "replica-a lag 12.4s > 10s")]
    run_sql(users, f"update backfill.job set {moved}")
    for _ in range(2):
        async with session(users.dsn, job) as worker:
            assert (await worker.begin()).replicas_seen == ()


async def test_a_typo_in_require_is_forgotten_with_the_file(cluster: Cluster, users: Database):
    wrong = job_file(throttle={"replicas": {"require": ["replica-A"]}})
    async with session(users.dsn, wrong) as worker:
        await worker.begin()
        state = await worker.read_signals()
        assert {replica.name for replica in state.replicas} == {"replica-a", "replica-b"}
    finished, _ = await run(users.worker_dsn, job_file(throttle={"replicas": {"require": ["replica-a"]}}))
    assert (finished.state, finished.rows_total) == ("done", 100)
    [(names,)] = users.query("select jsonb_path_query_array(replicas_seen, '$[*].name') from backfill.job")
    assert names == ["replica-a", "replica-b"]
    assert users.query(
        "select count(*) from backfill.job, jsonb_to_recordset(replicas_seen) as r (since text, address text)"
        " where since like '20%% UTC' and address is not null"
    ) == [(2,)]
