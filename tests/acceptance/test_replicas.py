"""What the replicas feel: measured from outside, by a clock of the test's own."""

from __future__ import annotations

import threading
import time
from bisect import bisect_right
from typing import Self

import psycopg
import pytest

from tests.acceptance.worker import left, make_users, run_job, write_job

RATE_BYTES_S = 4_000_000
BUDGET = "  max_lag: 2s\n  max_wal_rate: 1GB/s"
PACED = {"  max_wal_rate: 1GB/s": "  max_wal_rate: 2MB/s"}
"""Some seconds of work, wherever the servers are: only a sandbox's link has a rate."""


class LagWatch:
    """The LSN clock once more, written apart from the product's: samples every 20 ms on a connection of its own."""

    def __init__(self, dsn: str, replica: str) -> None:
        self._dsn, self._replica = dsn, replica
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.worst_s = 0.0

    def _watch(self) -> None:
        times: list[float] = []
        positions: list[int] = []
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            while not self._stop.wait(0.02):
                row = connection.execute(
                    "select pg_current_wal_insert_lsn() - '0/0', replay_lsn - '0/0' from pg_stat_replication"
                    " where application_name = %s",
                    [self._replica],
                ).fetchone()
                if row is None or row[1] is None:
                    continue
                now_s = time.monotonic()
                if positions and row[0] == positions[-1]:
                    times[-1] = now_s
                else:
                    times.append(now_s)
                    positions.append(int(row[0]))
                if row[1] < positions[-1]:
                    passed = max(0, bisect_right(positions, int(row[1])) - 1)
                    self.worst_s = max(self.worst_s, now_s - times[passed])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)


@pytest.mark.alone
@pytest.mark.timeout(120)
def test_a_narrow_link_is_used_and_its_replica_stays_inside_the_budget(cluster, database, tmp_path):
    make_users(database, 200_000)
    cluster.link_b.limit(RATE_BYTES_S)
    job = write_job(tmp_path, **{"  max_wal_rate: 1GB/s": BUDGET})
    with LagWatch(database.dsn, "replica-b") as watch, run_job(database.worker_dsn, job) as worker:
        worker.until("BatchDone")
        # From the first second to the end of the first pass: the ramp and the final read write no WAL to carry.
        time.sleep(1)
        began_s, before = time.monotonic(), cluster.link_b.forwarded_bytes
        worker.until("PassDone", timeout_s=90)
        use = (cluster.link_b.forwarded_bytes - before) / (time.monotonic() - began_s) / RATE_BYTES_S
        assert worker.end() == 0, worker.stderr
    assert left(database) == 0
    assert use >= 0.9, f"link use {use:.3f}"
    assert watch.worst_s <= 2.0, f"worst lag {watch.worst_s:.2f}s"


@pytest.mark.docker
@pytest.mark.timeout(120)
def test_a_cut_link_stops_the_next_batch_with_the_replicas_name_and_heals_by_itself(cluster, database, tmp_path):
    make_users(database, 50_000)
    with run_job(database.worker_dsn, write_job(tmp_path, **PACED)) as worker:
        worker.until("BatchDone")
        cluster.link_b.refuse()
        waited = next(
            event for event in worker.each() if event["event"] == "WaitStarted" and event["reason"]["kind"] == "missing"
        )
        assert waited["reason"]["text"].startswith(
            "replica-b is not connected (missing from pg_stat_replication); seen by"
        )
        [(reason,)] = database.query("select reason from backfill.job")
        assert "replica-b" in reason
        batches = len(worker.all_of("BatchDone"))
        until_s = time.monotonic() + 2
        for event in worker.each():
            assert event["event"] != "BatchDone"
            if time.monotonic() > until_s:
                break
        assert len(worker.all_of("BatchDone")) == batches
        cluster.link_b.restore()
        worker.until("BatchDone")
        assert worker.end() == 0, worker.stderr
    assert left(database) == 0


@pytest.mark.docker
@pytest.mark.timeout(60)
def test_a_frozen_replica_stops_the_work_and_is_named_with_its_lag(cluster, database, tmp_path):
    make_users(database, 50_000)
    job = write_job(tmp_path, **{"  max_wal_rate: 1GB/s": "  max_lag: 1s\n  max_wal_rate: 2MB/s"})
    with run_job(database.worker_dsn, job) as worker:
        worker.until("BatchDone")
        cluster.link_b.freeze()
        waited = next(
            event for event in worker.each() if event["event"] == "WaitStarted" and event["reason"]["kind"] == "lag"
        )
        assert waited["reason"]["text"].startswith("replica-b lag ")
        assert " > 900ms" in waited["reason"]["text"]
        cluster.link_b.restore()
        assert worker.end() == 0, worker.stderr
    assert left(database) == 0


@pytest.mark.docker
def test_a_required_replica_that_never_was_there_is_a_fault_with_its_name(database, tmp_path):
    make_users(database, 1000)
    job = write_job(tmp_path, **{"  max_wal_rate: 1GB/s": "  replicas: {require: [replica-z]}"})
    with run_job(database.worker_dsn, job) as worker:
        waited = worker.until("WaitStarted")
        assert waited["reason"] == {
            "kind": "missing",
            "text": "replica-z is not connected (missing from pg_stat_replication); it is in replicas.require",
        }
        assert worker.all_of("BatchDone") == []


@pytest.mark.docker
def test_a_paused_replica_that_is_ignored_does_not_hold_the_work_back(cluster, database, tmp_path):
    make_users(database, 20_000)
    cluster.replica_b.pause()
    job = write_job(tmp_path, **{"  max_wal_rate: 1GB/s": '  max_lag: 1s\n  replicas: {ignore: ["replica-b"]}'})
    with run_job(database.worker_dsn, job) as worker:
        assert worker.end() == 0, worker.stderr
    assert left(database) == 0
