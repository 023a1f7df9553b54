"""Each victim stops the next batch with its reason, is visible in status, log and metric, and heals by itself."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from backfill.sandbox import Sandbox, Server
from tests.acceptance.command import backfill
from tests.acceptance.pod import pod
from tests.acceptance.worker import make_users, write_job
from tests.fixtures_postgres import Cluster, Database
from tests.roles import employ

SLOW = "  max_wal_rate: 512kB/s"
ROWS = 120_000
"""So many, so slowly, outlast every test here, also where each command takes seconds to start."""
WORKER = "worker"

pytestmark = pytest.mark.timeout(240)


def slow(directory: Path, *lines: str) -> Path:
    return write_job(directory, **{"  max_wal_rate: 1GB/s": "\n".join([SLOW, *(f"  {line}" for line in lines)])})


@pytest.fixture
def archiving() -> Iterator[Server]:
    """A primary that archives and decodes, with little room for slots."""
    settings = {
        "wal_level": "logical",
        "archive_mode": "on",
        "archive_command": "true",
        "max_slot_wal_keep_size": "32MB",
        "max_wal_size": "64MB",
        "min_wal_size": "32MB",
        "wal_keep_size": "0",
    }
    with Sandbox() as sandbox:
        server = sandbox.primary(settings=settings)
        employ(server.dsn, WORKER)
        make_users(server, ROWS)
        yield server


def test_a_replica_that_is_stopped(cluster: Cluster, database: Database, tmp_path: Path):
    make_users(database, ROWS)
    with pod(database.worker_dsn, slow(tmp_path)) as worker:
        cluster.replica_b.stop()
        worker.stops("missing", "replica-b is not connected (missing from pg_stat_replication)")
        assert worker.metric("backfill_replicas_missing") == 1
        cluster.replica_b.start()
        worker.heals()
        assert worker.metric("backfill_replicas_missing") == 0


def test_a_slot_that_is_lost(archiving: Server, tmp_path: Path):
    with pod(archiving.dsn_for(user=WORKER), slow(tmp_path)) as worker:
        archiving.query("select pg_create_logical_replication_slot('debezium', 'pgoutput')")
        deadline_s = time.monotonic() + 30
        while archiving.query("select wal_status from pg_replication_slots") != [("lost",)]:
            assert time.monotonic() < deadline_s
            archiving.query("select pg_logical_emit_message(false, 'test', repeat('x', 8000000)) from pg_switch_wal()")
            archiving.query("checkpoint")
        worker.stops("slot", "slot debezium is lost: rebuild its consumer or drop the slot")
        archiving.query("select pg_drop_replication_slot('debezium')")
        worker.heals()


def test_a_consumer_that_confirms_nothing(archiving: Server, tmp_path: Path):
    with pod(archiving.dsn_for(user=WORKER), slow(tmp_path, "max_slot_lag: 2MB")) as worker:
        archiving.query("select pg_create_logical_replication_slot('debezium', 'pgoutput')")
        worker.stops("slot", "slot debezium lag ")
        assert worker.metric("backfill_slot_lag_bytes", slot="debezium") > 1024**2
        archiving.query("select pg_replication_slot_advance('debezium', pg_current_wal_insert_lsn())")
        worker.works()
        archiving.query("select pg_drop_replication_slot('debezium')")  # or it is behind again before anybody looks
        worker.heals()


def test_an_archiver_that_fails(archiving: Server, tmp_path: Path):
    with pod(archiving.dsn_for(user=WORKER), slow(tmp_path)) as worker:
        archiving.configure({"archive_command": "false"})
        archiving.query("select pg_switch_wal()")
        worker.stops("archive", "archiver failing: last attempt failed, 16MB of WAL pending")
        assert worker.metric("backfill_archive_failing") == 1
        archiving.configure({"archive_command": "true"})
        archiving.query("select pg_switch_wal()")
        worker.heals()
        assert worker.metric("backfill_archive_failing") == 0


def test_a_role_that_is_blinded(cluster: Cluster, database: Database, tmp_path: Path):
    make_users(database, ROWS)
    with pod(database.worker_dsn, slow(tmp_path)) as worker:
        database.query(f"revoke pg_monitor from {database.worker}")
        worker.stops("blind", "replication is hidden from this role: it lacks pg_monitor")
        database.query(f"grant pg_monitor to {database.worker}")
        worker.heals()


def test_sessions_that_queue_behind_our_locks(cluster: Cluster, database: Database, tmp_path: Path):
    """An ALTER TABLE waits for each batch; what stops us is told, and is over when nobody waits any more."""
    make_users(database, ROWS)
    with pod(database.worker_dsn, slow(tmp_path)) as worker, psycopg.connect(database.dsn, autocommit=True) as other:
        other.execute("set lock_timeout = '5s'")
        deadline_s = time.monotonic() + 30
        while not worker.logged("blocked sessions 1 > 0"):
            assert time.monotonic() < deadline_s, worker.log.read_text()
            other.execute("alter table users alter column email set statistics 100; lock table users in share mode")
        assert worker.metric("backfill_wait_seconds_total", reason="blocked") > 0
        explained = backfill("status", "users-handle", "--explain", "--last", "500", dsn=database.worker_dsn)
        assert "blocked sessions 1 > 0" in explained.stdout
        assert database.query("select max(blocked_sessions) from backfill.batch") == [(1,)]
        worker.until(lambda: worker.metric("backfill_blocked_sessions") == 0, "nobody waits")
        worker.heals()


def test_a_probe_over_its_limit_and_one_that_fails(cluster: Cluster, database: Database, tmp_path: Path):
    make_users(database, ROWS)
    database.query("create table brake (value float8)")
    database.query("insert into brake values (1)")
    probe = "probes: [{name: brake, sql: SELECT value FROM brake, max: 5, every: 200ms}]"
    with pod(database.worker_dsn, slow(tmp_path, probe)) as worker:
        database.query("update brake set value = 9.5")
        worker.stops("probe", "probe brake 9.5 > 5")
        assert worker.metric("backfill_probe_value", probe="brake") == 9.5
        database.query("update brake set value = 2")
        worker.heals()
        database.query("alter table brake rename to hidden")
        worker.stops("blind", 'probe brake unknown: relation "brake" does not exist')
        database.query("alter table hidden rename to brake")
        worker.heals()


def test_limits_are_tuned_while_it_runs(cluster: Cluster, database: Database, tmp_path: Path):
    make_users(database, 2 * ROWS)
    with pod(database.worker_dsn, slow(tmp_path)) as worker:
        ended = backfill("tune", "users-handle", "max_wal_rate=8MB/s", "batch.max_rows=700", dsn=database.worker_dsn)
        assert (ended.code, ended.stderr) == (2, "backfill: 'min_rows' 1000 is above 'max_rows' 700\n")
        changes = ("max_wal_rate=16kB/s", "batch.rows=50", "batch.min_rows=1", "batch.max_rows=50", "lock_timeout=2s")
        ended = backfill("tune", "users-handle", *changes, dsn=database.worker_dsn)
        assert ended.code == 0, ended.stderr
        assert "max_wal_rate             16kB/s   (was 512kB/s)   (the job file says 512kB/s)" in ended.stdout
        worker.until(lambda: any(line["event"] == "limits_changed" for line in worker.lines()), "the change is logged")
        [(last,)] = database.query("select max(sequence) from backfill.batch")
        after = "select max(rows) from backfill.batch where sequence > %s + 1 having count(*) > 2"
        worker.until(lambda: database.query(after, last), "three more batches")
        assert database.query(after, last)[0][0] <= 50
        ended = backfill("tune", "users-handle", "--reset", dsn=database.worker_dsn)
        assert ended.code == 0, ended.stderr
        assert "max_wal_rate            512kB/s   (was 16kB/s)" in ended.stdout
        worker.until(
            lambda: len([line for line in worker.lines() if line["event"] == "limits_changed"]) == 2, "it is discarded"
        )
        worker.works()


def test_what_was_tuned_holds_for_the_next_run(cluster: Cluster, database: Database, tmp_path: Path):
    make_users(database, ROWS)
    job = slow(tmp_path)
    with pod(database.worker_dsn, job):
        pass
    assert backfill("tune", "users-handle", "max_lag=3s", dsn=database.worker_dsn).code == 0
    with pod(database.worker_dsn, job) as worker:
        [logged] = [line for line in worker.lines() if line["event"] == "limits_changed"]
    assert (logged["changes"], logged["max_lag_s"], logged["refused"]) == (["max_lag=3s"], 3.0, None)


def test_decisions_are_explained_with_what_they_were_taken_from(cluster: Cluster, database: Database, tmp_path: Path):
    make_users(database, ROWS)
    with pod(database.worker_dsn, slow(tmp_path)) as worker:
        worker.works()
    ended = backfill("status", "users-handle", "--explain", "--last", "5", dsn=database.worker_dsn)
    assert ended.code == 0, ended.stderr
    assert "limited by" in ended.stdout
    assert "users-handle: layout " in ended.stdout
    lines = backfill("status", "users-handle", "--explain", "--json", "--last", "50", dsn=database.worker_dsn).stdout
    told = [json.loads(line) for line in lines.splitlines()]
    batches = [one for one in told if one["kind"] is None]
    assert 0 < len(batches) <= 50
    for one in batches:
        assert one["limited_by"]
        assert one["inputs"]["replica"] in ("replica-a", "replica-b")
        assert one["inputs"]["window_bytes"] > 0
        assert one["inputs"]["row_wal_bytes"] > 0
    assert {one["waited_for"].partition(" ")[0] for one in batches if one["waited_for"]} <= {
        "own",
        "replica-a",
        "replica-b",
    }


def test_what_cannot_be_explained_or_tuned(database: Database):
    assert "no job 'x' in this database" in backfill("tune", "x", "max_lag=5s", dsn=database.worker_dsn).stderr
    ended = backfill("status", "--explain", dsn=database.worker_dsn)
    assert (ended.code, ended.stderr) == (2, "backfill: --explain shows one job; name it\n")
    ended = backfill("tune", "x", "max_leg=5s", dsn=database.worker_dsn)
    assert (ended.code, ended.stderr) == (2, "backfill: unknown limit 'max_leg'; did you mean 'max_lag'?\n")
