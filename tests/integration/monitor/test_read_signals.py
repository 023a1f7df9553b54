"""One reading of everything that our WAL can hurt: of real standbys, slots, archivers and consumers."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import anyio
import psycopg
import pytest

from backfill.postgres.monitor.read_signals import read_insert_lsn, read_signals
from backfill.postgres.session.connection import connect
from backfill.postgres.session.server import read_server
from backfill.sandbox import Sandbox, Server
from backfill.sandbox.wait import wait_until
from backfill.throttle.signals import Signals
from tests.fixtures_postgres import Cluster
from tests.integration.jobs import run_sql

pytestmark = pytest.mark.anyio

SEGMENT_BYTES = 16 * 1024 * 1024
WAIT_S = 20.0


async def read(dsn: str) -> Signals:
    async with await connect(dsn, application_name="backfill:test") as connection:
        return await read_signals(connection)


async def read_until(dsn: str, condition: Callable[[Signals], object]) -> Signals:
    deadline_s = time.monotonic() + WAIT_S
    async with await connect(dsn, application_name="backfill:test") as connection:
        while not condition(signals := await read_signals(connection)):
            assert time.monotonic() < deadline_s, signals
            await anyio.sleep(0.02)
    return signals


def replayed(signals: Signals) -> dict[str, int | None]:
    return {one.name: one.replay_lsn for one in signals.replicas}


def write(server: Server, size_bytes: int = 1_000_000) -> int:
    """Write so much WAL and return the position behind it."""
    server.query("select pg_logical_emit_message(false, 'test', repeat('x', %s::int))", size_bytes)
    [(position,)] = server.query("select (pg_current_wal_insert_lsn() - '0/0')::bigint")
    return int(position)


@contextmanager
def program(server: Server, name: str, *arguments: str) -> Iterator[None]:
    """Run one of PostgreSQL's programs beside the test; the server has forgotten it at the end."""
    workdir = server._workdir
    pid = workdir.start(name, *arguments, log=workdir.path / f"{name}.log")
    try:
        yield
        assert workdir.exit_code(pid) is None, (workdir.path / f"{name}.log").read_text()
    finally:
        if workdir.exit_code(pid) is None:
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda: workdir.exit_code(pid) is not None, f"{name} ends")
        server.query(
            "select pg_terminate_backend(pid, 10000) from pg_stat_replication where application_name = %s", name
        )


@pytest.fixture(scope="module")
def archiving() -> Iterator[tuple[Sandbox, Server]]:
    """A primary that archives and decodes."""
    with Sandbox() as sandbox:
        yield (
            sandbox,
            sandbox.primary(settings={"wal_level": "logical", "archive_mode": "on", "archive_command": "false"}),
        )


async def test_standbys_have_their_names_and_what_they_have_replayed(cluster: Cluster):
    position = write(cluster.primary)
    began_s = time.monotonic()
    signals = await read_until(
        cluster.primary.dsn, lambda one: all((lsn or 0) >= position for lsn in replayed(one).values())
    )
    assert [(one.name, one.state) for one in signals.replicas] == [
        ("replica-a", "streaming"),
        ("replica-b", "streaming"),
    ]
    assert signals.visible
    assert position <= signals.insert_lsn
    assert began_s < signals.at_s < time.monotonic()
    assert signals.archiver is None


async def test_a_standby_that_does_not_replay_stays_where_it_is(cluster: Cluster):
    cluster.replica_a.pause()
    position = write(cluster.primary)
    signals = await read_until(cluster.primary.dsn, lambda one: (replayed(one)["replica-b"] or 0) >= position)
    lsn = replayed(signals)["replica-a"]
    assert lsn is not None
    assert signals.insert_lsn - lsn >= 1_000_000


async def test_a_standby_that_is_cut_off_is_gone_from_view(cluster: Cluster):
    cluster.link_b.refuse()
    signals = await read_until(cluster.primary.dsn, lambda one: "replica-b" not in replayed(one))
    assert set(replayed(signals)) == {"replica-a"}


async def test_two_standbys_of_one_name_are_distinguished(cluster: Cluster):
    own = cluster.replica_b.follow(cluster.link_b)
    cluster.replica_b.configure({"primary_conninfo": own.replace("replica-b", "replica-a")})
    try:
        twins = ["replica-a", "replica-a@127.0.0.1#2"]
        await read_until(
            cluster.primary.dsn, lambda one: [*replayed(one)] == twins and None not in replayed(one).values()
        )
    finally:
        cluster.replica_b.configure({"primary_conninfo": own})
        cluster.replica_b.wait_streaming()


async def test_a_base_backup_is_no_standby(cluster: Cluster):
    arguments = ("-D", str(cluster.sandbox.path / "copy"), "-d", cluster.primary.dsn, "-X", "stream", "-c", "fast")
    with program(cluster.primary, "pg_basebackup", *arguments, "--no-sync", "--max-rate", "32k"):
        both = "select count(*) from pg_stat_replication where application_name = 'pg_basebackup' and write_lsn is not null"
        wait_until(lambda: cluster.primary.query(both) == [(1,)], "its WAL stream is up")
        states = cluster.primary.query("select state from pg_stat_replication where application_name = 'pg_basebackup'")
        assert sorted(states) == [("backup",), ("streaming",)]
        assert set(replayed(await read(cluster.primary.dsn))) == {"replica-a", "replica-b"}


async def test_a_base_backup_that_reports_nothing_is_no_standby(cluster: Cluster):
    arguments = ("-D", str(cluster.sandbox.path / "silent"), "-d", cluster.primary.dsn, "-X", "stream", "-s", "0")
    with program(cluster.primary, "pg_basebackup", *arguments, "-c", "fast", "--no-sync", "--max-rate", "32k"):
        both = (
            "select count(*) from pg_stat_replication where application_name = 'pg_basebackup' and state = 'streaming'"
        )
        wait_until(lambda: cluster.primary.query(both) == [(1,)], "its WAL stream is up")
        assert set(replayed(await read(cluster.primary.dsn))) == {"replica-a", "replica-b"}


async def test_a_receiver_that_never_replays_is_no_standby(cluster: Cluster):
    (cluster.sandbox.path / "received").mkdir(mode=0o777)
    (cluster.sandbox.path / "received").chmod(0o777)
    with program(
        cluster.primary, "pg_receivewal", "-D", str(cluster.sandbox.path / "received"), "-d", cluster.primary.dsn
    ):
        known = (
            "select true from pg_stat_replication where application_name = 'pg_receivewal' and write_lsn is not null"
        )
        wait_until(lambda: cluster.primary.query(known), "it receives")
        assert set(replayed(await read(cluster.primary.dsn))) == {"replica-a", "replica-b"}


async def test_a_connection_that_does_not_stream_is_no_standby(cluster: Cluster):
    """Such as those that copy a subscription's tables, for as long as that takes."""
    conninfo = f"{cluster.primary.dsn} replication=database application_name=pg_16394_sync_16385"
    with psycopg.connect(conninfo, autocommit=True):
        known = "select state from pg_stat_replication where application_name = 'pg_16394_sync_16385'"
        assert cluster.primary.query(known) == [("startup",)]
        assert set(replayed(await read(cluster.primary.dsn))) == {"replica-a", "replica-b"}


async def test_a_logical_consumer_is_a_slot_and_no_standby(archiving: tuple[Sandbox, Server]):
    """An ordinary subscription, which confirms as a standby replays.

    It copies nothing: a copy makes a slot, which waits for all transactions of its cluster, and where publisher and
    subscriber are one cluster, that of `drop subscription`, which waits for the copy.
    """
    _, server = archiving
    server.query("create database consumer")
    server.query("create table told (id int)")
    server.query("create publication told for table told")
    server.query("select pg_create_logical_replication_slot('told', 'pgoutput')")
    consumer = server.dsn_for(dbname="consumer")
    publisher = server.dsn.replace("'", "''")
    run_sql(consumer, "create table told (id int)")
    run_sql(
        consumer,
        f"create subscription told connection '{publisher}' publication told"
        " with (create_slot = false, slot_name = told, copy_data = false)",
    )
    try:
        server.query("insert into told values (1)")
        applied = "select true from pg_stat_replication where application_name = 'told' and replay_lsn is not null"
        wait_until(lambda: server.query(applied), "it applies")
        signals = await read(server.dsn)
        assert signals.replicas == ()
        [slot] = [one for one in signals.slots if one.name == "told"]
        assert slot.wal_status == "reserved"
        assert slot.retained_bytes is not None
        assert slot.retained_bytes > 0
    finally:
        run_sql(consumer, "drop subscription told")
        server.query("drop table told")


async def test_a_slot_shows_what_it_retains(cluster: Cluster):
    cluster.primary.query("select pg_create_physical_replication_slot('keeps', true)")
    cluster.primary.query("select pg_create_physical_replication_slot('keeps_not')")
    try:
        before = await read(cluster.primary.dsn)
        write(cluster.primary)
        after = await read(cluster.primary.dsn)
    finally:
        cluster.primary.query(
            "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name like 'keeps%%'"
        )
    assert [one.name for one in before.slots] == ["keeps", "keeps_not", "replica_a", "replica_b"]
    (first, second), (keeps_not, *_) = (one.slots[0] for one in (before, after)), after.slots[1:]
    assert first.retained_bytes is not None
    assert second.retained_bytes is not None
    assert second.retained_bytes - first.retained_bytes == after.insert_lsn - before.insert_lsn >= 1_000_000
    assert second.wal_status == "reserved"
    assert (keeps_not.retained_bytes, keeps_not.wal_status) == (None, None)


async def test_an_archiver_that_fails_has_a_backlog_until_it_does_not(archiving: tuple[Sandbox, Server]):
    _, server = archiving
    server.configure({"archive_command": "false"})
    for _ in range(3):
        write(server, 100)
        server.query("select pg_switch_wal()")
    signals = await read_until(server.dsn, lambda one: one.archiver and one.archiver.failing)
    assert signals.archiver is not None
    assert signals.archiver.backlog_bytes >= 3 * SEGMENT_BYTES
    assert signals.archiver.backlog_bytes % SEGMENT_BYTES == 0
    server.configure({"archive_command": "true"})
    # The segment is marked as done a moment before that is counted.
    await read_until(
        server.dsn, lambda one: one.archiver and not one.archiver.backlog_bytes and not one.archiver.failing
    )


@pytest.mark.parametrize("grants", [(), ("pg_read_all_stats",), ("pg_read_all_stats", "pg_read_all_settings")])
@pytest.mark.parametrize("archive", [False, True])
async def test_a_role_that_may_not_see_all_sees_nothing(
    cluster: Cluster, archiving: tuple[Sandbox, Server], grants: tuple[str, ...], archive: bool
):
    server = archiving[1] if archive else cluster.primary
    run_sql(server.dsn, "create role shy login", *(f"grant {one} to shy" for one in grants))
    try:
        dsn = server.dsn_for(user="shy")
        position = write(server)
        signals = await read(dsn)
        assert not signals.visible
        assert (signals.replicas, signals.slots) == ((), ())
        assert signals.archiver is None
        assert signals.insert_lsn >= position
        async with await connect(dsn, application_name="backfill:test") as connection:
            assert not (await read_server(connection)).visible
        run_sql(server.dsn, "grant pg_monitor to shy")
        signals = await read(dsn)
        assert signals.visible
        assert len(signals.replicas) == (0 if archive else 2)
        assert (signals.archiver is not None) == archive
    finally:
        run_sql(server.dsn, "drop role shy")


async def test_a_position_is_read_as_text_and_as_bytes(cluster: Cluster):
    async with await connect(cluster.primary.dsn, application_name="backfill:test") as connection:
        text, position = await read_insert_lsn(connection)
    assert cluster.primary.query("select (%s::pg_lsn - '0/0')::bigint", text) == [(position,)]
