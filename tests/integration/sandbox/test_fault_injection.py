"""What tests do to servers and links has the effect that they count on, and is undone, in a sandbox and in containers."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from backfill.sandbox.wait import wait_until
from tests.fault_injection import Clustered, Replica

pytestmark = pytest.mark.docker


def streaming(cluster: Clustered) -> set[str]:
    found = cluster.primary.query("select application_name from pg_stat_replication where state = 'streaming'")
    return {name for (name,) in found}


def behind(cluster: Clustered, replica: Replica) -> bool:
    """Whether a commit of now is not replayed there; each call writes one."""
    cluster.primary.query("select pg_logical_emit_message(true, 'backfill', '')")
    return cluster.primary.query(
        "select replay_lsn < pg_current_wal_flush_lsn() from pg_stat_replication where application_name = %s",
        replica.name,
    ) == [(True,)]


@pytest.fixture
def replica(cluster: Clustered) -> Iterator[Replica]:
    """One that streams before and again after."""
    assert streaming(cluster) == {"replica-a", "replica-b"}
    yield cluster.replica_b
    cluster.restore()
    assert streaming(cluster) == {"replica-a", "replica-b"}
    cluster.replica_b.wait_replayed()


def test_one_that_is_cut_off_is_missed_by_its_primary_alone(cluster: Clustered, replica: Replica):
    cluster.link_b.refuse()
    wait_until(lambda: streaming(cluster) == {"replica-a"}, "it is missed")
    assert replica.query("select pg_is_in_recovery()") == [(True,)]


def test_one_that_is_frozen_or_paused_is_there_and_falls_behind(cluster: Clustered, replica: Replica):
    cluster.link_b.freeze()
    wait_until(lambda: behind(cluster, replica), "it falls behind")
    cluster.restore()
    replica.pause()
    wait_until(lambda: behind(cluster, replica), "it falls behind again")
    assert streaming(cluster) == {"replica-a", "replica-b"}


def test_one_that_is_stopped_or_killed_comes_back_at_its_port(cluster: Clustered, replica: Replica):
    dsn = replica.dsn
    for end in (replica.stop, replica.kill):
        end()
        with pytest.raises(psycopg.OperationalError):
            replica.query("select 1")
        replica.start()
        assert replica.dsn == dsn
        wait_until(lambda: streaming(cluster) == {"replica-a", "replica-b"}, "it streams")


def test_roles_without_a_password_are_let_in(cluster: Clustered):
    cluster.primary.query("create role somebody login")
    try:
        with psycopg.connect(cluster.primary.dsn_for(user="somebody")) as connection:
            assert connection.execute("select current_user").fetchone() == ("somebody",)
    finally:
        cluster.primary.query("drop role somebody")
