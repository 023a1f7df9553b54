"""One worker a job and one job a table, for as long as their session lives."""

from __future__ import annotations

import re

import psycopg
import pytest

from backfill.postgres.session.connection import worker_name
from backfill.postgres.state.locks import lock_key, try_lock
from backfill.sandbox.wait import wait_until
from backfill.values.errors import ConnectionLost
from tests.fixtures_postgres import Cluster, Database
from tests.integration.jobs import connected, create_database, drop_database, job_file, run_sql, session, take_lock
from tests.integration.worker import Worker as Session

pytestmark = pytest.mark.anyio


@pytest.fixture
def users(shared: Database) -> Database:
    """Two tables, and nobody's lock on them: a session is gone a moment after it was closed."""
    for table in ("users", "orders"):
        run_sql(shared, f"create table if not exists {table} (id int primary key, username text, handle text)")
    wait_until(lambda: not locks(shared), "nobody has a lock")
    return shared


def locks(database: Database) -> list[tuple[int, int]]:
    """The advisory locks of a database: key and pid."""
    return database.query(
        "select (classid::bigint << 32) | objid::bigint, pid from pg_locks"
        " where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())"
    )


async def test_the_second_worker_of_a_job_learns_who_has_it(users: Database):
    async with session(users.dsn, job_file()), Session(users.dsn, job_file()) as second:
        [(pid,)] = {(pid,) for _, pid in locks(users)}
        told = await second.try_lock()
        assert told is not None
        name = re.escape(worker_name("users-handle"))
        assert re.fullmatch(rf"{name} \(pid {pid}, role postgres, local, connected since \d{{4}}-[-: 0-9]+\+00\)", told)
        assert {holder for _, holder in locks(users)} == {pid}
    wait_until(lambda: not locks(users), "they are free")


async def test_a_table_that_another_job_fills_is_reported_as_such(users: Database):
    async with session(users.dsn, job_file(name="first")), Session(users.dsn, job_file(name="second")) as second:
        told = await second.try_lock()
        assert told is not None
        assert told.startswith("backfill:first@")
        assert told.endswith(", which fills table public.users for another job")


async def test_jobs_of_other_tables_and_other_databases_do_not_meet(cluster: Cluster, users: Database):
    other = create_database(cluster.primary)
    try:
        run_sql(other, "create table users (id int primary key, username text, handle text)")
        async with (
            session(users.dsn, job_file()),
            session(users.dsn, job_file(name="orders", table="orders")),
            session(other.dsn, job_file()),
        ):
            assert len(locks(users)) == 4
            assert len(locks(other)) == 2
    finally:
        drop_database(other)


async def test_locks_taken_again_by_their_holder_are_still_its_own(users: Database):
    async with session(users.dsn, job_file()) as first:
        assert await first.try_lock() is None
        assert len(locks(users)) == 2


@pytest.mark.parametrize("job", ["users-handle", "other"])
async def test_the_death_of_the_holder_s_session_frees_both_locks(users: Database, job: str):
    async with session(users.dsn, job_file()) as first, Session(users.dsn, job_file(name=job)) as second:
        told = await second.try_lock()
        assert told is not None
        pid = int(told.partition("(pid ")[2].partition(",")[0])
        users.query("select pg_terminate_backend(%s::int, 10000)", pid)
        await take_lock(second)
        with pytest.raises(ConnectionLost):  # the first worker finds out when it next asks
            await first.try_lock()


async def test_a_lock_is_reported_even_where_its_holder_may_not_be_seen(users: Database):
    """A role without pg_monitor sees of others' sessions no more than their names."""
    run_sql(users, "create role shy login")
    try:
        async with session(users.dsn, job_file()), connected(users.dsn_for("shy"), job_file()) as shy:
            told = await try_lock(shy, "users-handle", "public.users")
            assert told is not None
            assert told.startswith("backfill:users-handle@")
    finally:
        run_sql(users, "drop role shy")


async def test_anyone_s_advisory_lock_on_the_key_is_reported(users: Database):
    """Also by keys above 2^63, which are negative numbers."""
    names = [f"job-{number}" for number in range(20)]
    assert {lock_key("job", name) < 0 for name in names} == {True, False}
    for name in names[:8]:
        with psycopg.connect(f"{users.dsn} application_name=psql", autocommit=True) as other:
            other.execute("select pg_advisory_lock(%s)", [lock_key("job", name)])
            async with connected(users.dsn, job_file()) as connection:
                told = await try_lock(connection, name, "public.users")
            assert told is not None
            assert told.startswith(f"psql (pid {other.info.backend_pid}, role postgres, local, ")
    wait_until(lambda: not locks(users), "they are free")


async def test_a_stranger_who_takes_a_lock_under_a_worker_s_name_is_no_worker(users: Database):
    """The name is his own choice; the role is not."""
    run_sql(users, "create role stranger login")
    dsn = f"{users.dsn_for('stranger')} application_name=backfill:users-handle@there:1"
    try:
        async with session(users.dsn, job_file()):
            pass  # the state is there
        with psycopg.connect(dsn, autocommit=True) as stranger:
            pid = stranger.info.backend_pid
            stranger.execute("select pg_advisory_lock(%s)", [lock_key("job", "users-handle")])
            async with Session(users.dsn, job_file()) as worker:
                told = await worker.try_lock()
        assert told is not None
        assert told.startswith(f"backfill:users-handle@there:1 (pid {pid}, role stranger, local, connected since ")
        assert told.endswith(
            ", which is not a worker: role stranger cannot write schema backfill;"
            f" end it: SELECT pg_terminate_backend({pid})"
        )
        wait_until(lambda: not locks(users), "they are free")
    finally:
        run_sql(users, "drop role stranger")


async def test_a_session_of_the_worker_s_role_that_is_no_worker_is_reported_as_such(users: Database):
    async with session(users.dsn, job_file()):
        pass
    with psycopg.connect(f"{users.dsn} application_name=psql", autocommit=True) as other:
        other.execute("select pg_advisory_lock(%s)", [lock_key("job", "users-handle")])
        async with Session(users.dsn, job_file()) as worker:
            told = await worker.try_lock()
    assert told is not None
    assert ", which is not a worker: its application_name does not begin with backfill:; end it: SELECT" in told
    wait_until(lambda: not locks(users), "they are free")
