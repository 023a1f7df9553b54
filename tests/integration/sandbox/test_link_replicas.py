"""A replica behind a slow, cut or frozen link lags, disappears or stands still, and is restored."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import psycopg
import pytest

from backfill.sandbox.wait import wait_until

if TYPE_CHECKING:
    from tests.fixtures_postgres import Cluster, Database
from tests.integration.sandbox.linking import BOUND_S

LAG = "select pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn) from pg_stat_replication where application_name = %s"


STREAMING = "select true from pg_stat_replication where application_name = %s and state = 'streaming'"


PRESENT = "select true from pg_stat_replication where application_name = %s"


def fill(database: Database) -> None:
    database.query("create table filler as select repeat(md5(i::text), 30) from generate_series(1, 4000) i")


def test_a_slow_link_makes_a_replica_lag_and_only_that_one(cluster: Cluster, database: Database):
    cluster.link_a.limit(100_000)
    fill(database)
    cluster.replica_b.wait_replayed()
    [(lag_bytes,)] = cluster.primary.query(LAG, "replica-a")
    assert lag_bytes > 1_000_000
    cluster.link_a.restore()
    cluster.replica_a.wait_replayed()


def test_a_replica_behind_a_cut_link_leaves_the_view_and_comes_back(cluster: Cluster, database: Database):
    cluster.link_a.refuse()
    wait_until(lambda: not cluster.primary.query(PRESENT, "replica-a"), "its row leaves", BOUND_S)
    assert cluster.primary.query(PRESENT, "replica-b")
    assert cluster.primary.query("select active from pg_replication_slots where slot_name = 'replica_a'") == [(False,)]
    fill(database)
    cluster.link_a.restore()
    wait_until(lambda: cluster.primary.query(STREAMING, "replica-a"), "its row comes back", BOUND_S)
    cluster.replica_a.wait_replayed()


def test_after_a_mere_cut_a_replica_reconnects_by_itself(cluster: Cluster):
    pid = "select pid from pg_stat_replication where application_name = 'replica-b' and state = 'streaming'"
    before = cluster.primary.query(pid)
    cluster.link_b.cut()
    wait_until(lambda: cluster.primary.query(pid) not in ([], before), "another walsender", BOUND_S)


def test_a_replica_behind_a_frozen_link_stays_in_the_view_and_falls_behind(cluster: Cluster, database: Database):
    cluster.link_b.freeze()
    fill(database)
    assert cluster.primary.query(PRESENT, "replica-b")
    assert cluster.primary.query(LAG, "replica-b")[0][0] > 1_000_000
    cluster.link_b.restore()
    cluster.replica_b.wait_replayed()


def test_a_client_may_take_a_link_too(cluster: Cluster, database: Database):
    link = cluster.sandbox.link(cluster.primary, delay_s=0.05)
    with psycopg.connect(database.dsn_through(link), autocommit=True) as connection:
        started_s = time.monotonic()
        assert connection.execute("select current_database()").fetchone() == (database.name,)
        assert time.monotonic() - started_s >= 0.1
        link.cut()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("select 1")
    link.close()


def test_the_cluster_is_restored_between_tests(cluster: Cluster):
    for link in (cluster.link_a, cluster.link_b):
        link.refuse()
        link.limit(1)
    cluster.replica_a.pause()
    cluster.replica_a.delay(60)
    cluster.replica_b.stop()
    cluster.replica_a.freeze()
    cluster.restore()
    for replica in (cluster.replica_a, cluster.replica_b):
        assert cluster.primary.query(STREAMING, replica.name)
        replica.wait_replayed()
