"""The proof gives way: who needs its lock waits a moment, and what it counts is the truth of one snapshot all the same."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from backfill.postgres.monitor.side_connection import SideConnection
from backfill.postgres.work import polite_proof
from backfill.postgres.work.polite_proof import GiveWay, stand_still
from backfill.throttle.wait_reason import WaitReason
from backfill.values.errors import StatementRefused, Stopped
from tests.fixtures_postgres import Database
from tests.integration.jobs import asleep, job_file, make_users, run_sql, session
from tests.integration.worker import Worker as Session

pytestmark = pytest.mark.anyio

ROWS = 3000
ROW_S = 0.002
SLOWLY = f"handle IS NULL AND pg_sleep({ROW_S}) IS NOT NULL"
"""Each row takes its time, so a read of the whole table takes at least `ROWS` of them."""


@pytest.fixture
def users(shared: Database) -> Database:
    """Table users anew, and no job in the state schema."""
    run_sql(shared, "drop table if exists users, accounts cascade", "drop schema if exists backfill cascade")
    make_users(shared, ROWS)
    return shared


class Waits:
    """What others waited for a lock of the table, in seconds."""

    def __init__(self, dsn: str) -> None:
        self.longest_s = 0.0
        self.count = 0
        self._dsn = dsn
        self._over = threading.Event()

    def run(self, statement: str) -> None:
        """Run a statement again and again, and keep the longest time."""
        with psycopg.connect(f"{self._dsn} application_name=migration", autocommit=True) as connection:
            while not self._over.wait(0.2):
                began_s = time.monotonic()
                connection.execute(statement.encode())
                self.longest_s = max(self.longest_s, time.monotonic() - began_s)
                self.count += 1

    def end(self) -> None:
        self._over.set()


@contextmanager
def waiting(database: Database, *statements: str) -> Iterator[Waits]:
    """Let sessions run these statements beside us."""
    waits = Waits(database.dsn)
    threads = [threading.Thread(target=waits.run, args=(one,), daemon=True) for one in statements]
    for thread in threads:
        thread.start()
    try:
        yield waits
    finally:
        waits.end()
        for thread in threads:
            thread.join(30)


def noting(reasons: list[str], at: Callable[[int], Any] = lambda _: None) -> GiveWay:
    """Return what keeps the reasons, and acts between two pieces, of which it gets the number."""
    pieces = [0]

    async def give_way(reason: WaitReason | None) -> None:
        if reason is not None:
            reasons.append(str(reason))
        else:
            pieces[0] += 1
            at(pieces[0])
        await stand_still(reason)

    return give_way


async def interrupted(worker: Session, database: Database, give_way: GiveWay) -> Awaitable[Any]:
    """Begin a proof for whose lock somebody waits once."""
    proof = asyncio.ensure_future(worker.leaf.verify(1, give_way))
    await asleep(database)
    await asyncio.to_thread(run_sql, database, "alter table users alter email drop default")
    return proof


async def test_nobody_waits_as_long_as_the_read_takes(users: Database):
    reasons: list[str] = []
    async with session(users.dsn, job_file(where=SLOWLY)) as worker:
        began_s = time.monotonic()
        proof = asyncio.ensure_future(worker.verify(1, noting(reasons)))
        await asleep(users)
        with waiting(users, "alter table users alter email drop default", "select from users limit 1") as waits:
            found = await proof
    assert time.monotonic() - began_s > ROWS * ROW_S
    assert found.rows_left == ROWS
    assert waits.count > 5
    assert waits.longest_s < ROWS * ROW_S / 2
    assert reasons
    assert reasons[0].startswith("sessions behind the proof 1 > 0: migration (pid ")
    assert reasons[0].endswith(", role postgres, AccessExclusiveLock on public.users)")


async def test_a_read_that_takes_too_long_is_ended_by_the_server_and_pieces_follow(users: Database):
    """So a worker that is frozen meanwhile keeps nobody waiting for an hour."""
    pieces: list[int] = []
    async with session(users.dsn, job_file(where=SLOWLY, statement_timeout="1s", lock_timeout="200ms")) as worker:
        found = await worker.verify(1, noting([], pieces.append))
    assert (found.rows_left, found.rows_unconverged) == (ROWS, 0)
    assert len(pieces) > 5


async def test_what_was_read_in_pieces_is_one_snapshot(users: Database):
    """Rows that are filled, deleted or made between two pieces count as they were; no lock of the table is held."""
    held: list[Any] = []

    def change(piece: int) -> None:
        if piece == 3:
            query = "select application_name from pg_locks join pg_stat_activity using (pid) where relation = 'users'::regclass"
            held.extend(users.query(query))
            run_sql(
                users,
                "update users set handle = username where id > 1000",
                "delete from users where id % 10 = 0",
                "insert into users select i, 'late', '' from generate_series(5001, 5500) i",
                "vacuum users",
            )

    async with session(users.dsn, job_file(where=SLOWLY)) as worker:
        found = await (await interrupted(worker, users, noting([], change)))
    assert (found.rows_left, found.rows_unconverged) == (ROWS, 0)
    assert held == []


@pytest.mark.parametrize("rewrite", ["vacuum full users", "alter table users alter email type varchar(200)"])
async def test_a_table_that_is_rewritten_between_two_pieces_is_read_again(users: Database, rewrite: str):
    """An older snapshot would see the second one empty."""

    def change(piece: int) -> None:
        if piece == 3:
            run_sql(users, rewrite)

    async with session(users.dsn, job_file(where=SLOWLY)) as worker:
        found = await (await interrupted(worker, users, noting([], change)))
    assert found.rows_left == ROWS


async def test_a_table_that_is_locked_between_two_pieces_is_waited_for(users: Database):
    reasons: list[str] = []
    with psycopg.connect(f"{users.dsn} application_name=locker") as locker:

        def change(piece: int) -> None:
            if piece == 3:
                locker.execute("lock table users in access exclusive mode")

        async def give_way(reason: WaitReason | None) -> None:
            await noted(reason)
            if reason and "locker" in str(reason):
                locker.commit()

        noted = noting(reasons, change)
        async with session(users.dsn, job_file(where=SLOWLY, lock_timeout="200ms")) as worker:
            found = await (await interrupted(worker, users, give_way))
    assert found.rows_left == ROWS
    assert any("locker (pid " in reason for reason in reasons)


async def test_a_stop_between_two_pieces_leaves_nothing_behind(users: Database):
    def stop(piece: int) -> None:
        if piece == 3:
            raise Stopped("SIGTERM")

    async with session(users.dsn, job_file(where=SLOWLY)) as worker:
        with pytest.raises(Stopped):
            await (await interrupted(worker, users, noting([], stop)))
        sessions = "select count(*) from pg_stat_activity where application_name like 'backfill:snapshot%%' and state <> 'idle'"
        assert users.query(sessions) == [(0,)]
        assert (await worker.verify(1)).rows_left == ROWS


async def test_a_read_that_nobody_can_watch_is_ended(users: Database, monkeypatch: pytest.MonkeyPatch):
    """Blind means stop: nobody would see who waits."""
    monkeypatch.setattr(polite_proof, "BLIND_MAX_S", 0.5)
    run_sql(users, f"alter role {users.worker} connection limit 1")
    try:
        async with session(users.worker_dsn, job_file(where=SLOWLY)) as worker:
            began_s = time.monotonic()
            with pytest.raises(StatementRefused, match=r"has 1 of 1 connections \(CONNECTION LIMIT\)"):
                await worker.verify(1)
            assert time.monotonic() - began_s < ROWS * ROW_S
    finally:
        run_sql(users, f"alter role {users.worker} connection limit -1")


JOBS: dict[str, dict[str, Any]] = {
    "plain": {"where": "handle IS NULL"},
    "not foreseen": {"where": "handle IS NULL AND xmin::text <> '0'"},
    "joined": {
        "set": {"handle": "accounts.name"},
        "using": {"table": "accounts", "on": "accounts.id = users.id"},
        "where": "users.handle IS NULL",
    },
}


@pytest.mark.parametrize("job", JOBS)
async def test_pieces_add_up_to_what_the_whole_read_says(users: Database, job: str):
    run_sql(
        users,
        "create table accounts as select id, nullif(username, 'user7') as name from users where id % 3 = 0",
        "insert into accounts values (9, null)",
        "update users set username = null where id % 100 = 0",
        "update users set handle = 'done' where id % 7 = 0",
        "vacuum analyze users",
    )
    async with session(users.dsn, job_file(**JOBS[job])) as worker:
        proof, side = worker._proof(stand_still), SideConnection(users.dsn, standby=False)
        whole = await worker.verify(1)
        pieces = await proof._read_in_pieces(side, ())
        await side.close()
    assert whole.rows_left > 1000
    assert replace(pieces, took_s=0, samples=()) == replace(whole, took_s=0, samples=())
    assert len(pieces.samples) == 5


async def test_an_empty_table_has_nothing_left(users: Database):
    run_sql(users, "truncate users")
    async with session(users.dsn, job_file()) as worker:
        side = SideConnection(users.dsn, standby=False)
        found = await worker._proof(stand_still)._read_in_pieces(side, ())
        await side.close()
    assert (found.rows_left, found.rows_unconverged, found.samples) == (0, 0, ())
