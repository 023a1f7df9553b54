"""Whoever holds a lock of ours is named, prepared transactions too, which have no session and are ended by their gid."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from backfill.postgres.monitor.lock_sessions import is_running, read_owners
from backfill.postgres.monitor.side_connection import SideConnection
from backfill.postgres.state import schema
from backfill.postgres.state.locks import lock_key, state_locker, try_lock
from backfill.sandbox import Server
from backfill.values.errors import StatementRefused
from tests.fixtures_postgres import Database
from tests.integration.jobs import (
    connected,
    create_database,
    drop_database,
    fill,
    job_file,
    make_users,
    next_cut,
    open_leaf,
    session,
)

pytestmark = [pytest.mark.anyio, pytest.mark.majors(14, 18)]

JOB = job_file(lock_timeout="50ms")
GID = "o'neil's"
WAYS_OUT = "end it: COMMIT PREPARED 'o''neil''s'; or ROLLBACK PREPARED 'o''neil''s';"


@pytest.fixture
def users(bare: Server) -> Iterator[Database]:
    database = create_database(bare)
    make_users(database, 300)
    yield database
    drop_database(database)


@contextmanager
def holding(database: Database, *statements: str) -> Iterator[int]:
    """A session that has done this in a transaction; gives its pid."""
    with psycopg.connect(f"{database.dsn} application_name=app") as holder:
        for statement in statements:
            holder.execute(statement.encode())
        yield holder.info.backend_pid
        holder.rollback()


@contextmanager
def prepared(database: Database, statement: str) -> Iterator[None]:
    """A transaction that has done this and was prepared."""
    with psycopg.connect(database.dsn, autocommit=True) as holder:
        for one in ("begin", statement, "prepare transaction 'o''neil''s'"):
            holder.execute(one.encode())
    try:
        yield
    finally:
        with psycopg.connect(database.dsn, autocommit=True) as holder:
            holder.execute("rollback prepared 'o''neil''s'")


async def test_a_batch_names_who_holds_its_row_or_its_table(users: Database):
    async with session(users.dsn, JOB) as worker:
        checkpoint = (await open_leaf(worker)).checkpoints[0]
        batch_range = await next_cut(worker, checkpoint)

        async def refusal() -> str:
            with pytest.raises(StatementRefused, match="canceling statement due to lock timeout; ") as caught:
                await fill(worker, checkpoint, batch_range)
            assert caught.value.sqlstate == "55P03"
            return str(caught.value).partition("\n")[0].partition("; ")[2]

        row = "update users set email = 'held' where id = 7"
        with prepared(users, row):
            said = await refusal()
            assert said.startswith(
                "row {\"id\": 7} is locked by prepared transaction 'o''neil''s' (role postgres, for "
            )
            assert said.endswith(f"); {WAYS_OUT}")
        with prepared(users, f"savepoint inner_one; {row}"):  # the row has the subtransaction's number
            assert (await refusal()).startswith('row {"id": 7} of public.users may be locked by prepared transaction')
        with holding(users, row) as pid:
            assert (await refusal()).startswith(
                f'row {{"id": 7}} is locked by app (pid {pid}, role postgres, idle in transaction, for '
            )
        share = "select from users where id = 7 for share"
        with holding(users, share) as first, holding(users, share) as second:
            said = await refusal()
            assert said.startswith('row {"id": 7} of public.users may be locked by app (pid ')
            assert f"(pid {first}, " in said
            assert f"(pid {second}, " in said
        for statement, table in (("lock table users in share mode", "users"), ("lock table backfill.batch", "batch")):
            with prepared(users, statement):
                said = await refusal()
                assert said.startswith(("table public.users is", "table backfill.batch is"))
                assert f".{table} is locked by prepared transaction 'o''neil''s'" in said
            with holding(users, statement) as pid:
                assert f".{table} is locked by app (pid {pid}, role postgres" in await refusal()
        assert (await fill(worker, checkpoint, batch_range)).rows == 300


async def test_so_does_whatever_else_waits_for_a_lock(users: Database):
    """The final read, a worker that waits for the job, and a migration of the state."""
    [(oid,)] = users.query("select 'users'::regclass::oid")
    side = SideConnection(users.dsn, standby=False)
    try:
        with prepared(users, "lock table users"):
            [owner] = await read_owners(side, oid)
            assert str(owner) == (
                f"prepared transaction 'o''neil''s' (role postgres, AccessExclusiveLock on public.users); {WAYS_OUT}"
            )
            assert await is_running(side, owner)
        assert not await is_running(side, owner)
    finally:
        await side.close()
    async with connected(users.dsn, JOB) as connection:
        key = lock_key("job", "users-handle")
        with prepared(users, f"select pg_advisory_xact_lock({key})"):
            told = await try_lock(connection, "users-handle", "public.users")
            assert told == f"prepared transaction 'o''neil''s' (role postgres); {WAYS_OUT} (it is not a worker)"
        await schema.ensure_state(connection)
        with prepared(users, "lock table backfill.job"):
            assert (await state_locker(connection, 0)).startswith(
                "prepared transaction 'o''neil''s' (role postgres, since "
            )
