"""The proof under a trigger: in pieces, with no snapshot over them, and never blind to a row that matches at its end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from backfill.postgres.work.polite_proof import GiveWay
from backfill.table.batch import Verification
from backfill.throttle.wait_reason import WaitReason
from tests.fixtures_postgres import Database
from tests.integration.change.test_sync_trigger import TRIGGER, installed
from tests.integration.jobs import job_file, make_users, run, run_sql
from tests.integration.worker import Worker

pytestmark = pytest.mark.anyio

ROWS = 3000
FILL = "update users set handle = username where handle is null"
SNAPSHOTS = (
    "select count(*) from pg_stat_activity where application_name like 'backfill:%%'"
    " and (backend_xmin is not null or application_name like 'backfill:snapshot:%%')"
)


@pytest.fixture
def users(shared: Database) -> Database:
    """Table users anew, and no job in the state schema."""
    run_sql(shared, "drop table if exists users cascade", "drop schema if exists backfill cascade")
    make_users(shared, ROWS)
    return shared


def acting(at: dict[int, Callable[[], Any]], pieces: list[int]) -> GiveWay:
    """Return what acts before a piece, by its number; the first has 1."""

    async def give_way(reason: WaitReason | None) -> None:
        assert reason is None, reason
        pieces.append(len(pieces) + 1)
        at.get(pieces[-1], lambda: None)()

    return give_way


async def verify(worker: Worker, at: dict[int, Callable[[], Any]] | None = None) -> tuple[Verification, int]:
    """Return what the proof finds while this happens, and the pieces that it read."""
    pieces: list[int] = []
    return await worker.leaf.verify(1, acting(at or {}, pieces)), len(pieces)


async def test_nothing_holds_a_snapshot_between_two_pieces(users: Database):
    seen: list[Any] = []
    async with installed(users) as worker:
        run_sql(users, FILL)
        found, pieces = await verify(worker, {3: lambda: seen.extend(users.query(SNAPSHOTS))})
    assert (found.rows_left, found.rows_unconverged, seen) == (0, 0, [(0,)])
    assert pieces > 3


async def test_rows_that_were_there_before_are_found(users: Database):
    async with installed(users) as worker:
        run_sql(users, FILL)
        run_sql(
            users,
            f'alter table users disable trigger "{TRIGGER}"',
            "update users set handle = null where id = 2999",
            f'alter table users enable always trigger "{TRIGGER}"',
        )
        found, _ = await verify(worker)
    assert (found.rows_left, found.samples) == (1, ('{"id": 2999}',))


MOVE = "update users set email = repeat('y', 300) where id between 2901 and 2910"
BEHIND = "select count(*), max(ctid) < '(24,0)' from users where handle is null"
"""How many rows match, and whether they all lie in the pages of the first two pieces."""


def pack(database: Database) -> None:
    """Fill all rows, and leave room in the first pages alone: new versions of any row come to lie there."""
    run_sql(
        database,
        f"{FILL} and username is not null",
        "cluster users using users_pkey",
        "delete from users where id <= 300",
        "vacuum users",
    )


ACCIDENTS: dict[str, tuple[str, ...]] = {
    "dropped": (f'drop trigger "{TRIGGER}" on users', "update users set handle = null where id between 301 and 400"),
    "dropped and made again": (
        f'drop trigger "{TRIGGER}" on users',
        "update users set handle = null where id between 301 and 400",
        f'create trigger "{TRIGGER}" before insert or update on users for each row when (new.handle is null)'  # noqa: ISC004
        ' execute function backfill."sync_users-handle"()',
        f'alter table users enable always trigger "{TRIGGER}"',
    ),
    "disabled for a moment": (
        f'alter table users disable trigger "{TRIGGER}"',
        "update users set handle = null where id between 301 and 400",
        f'alter table users enable always trigger "{TRIGGER}"',
    ),
    "another one after it": (
        "create function app_null() returns trigger language plpgsql as $$ begin new.handle := null; return new; end $$",
        "create trigger zzzz before update on users for each row execute function app_null()",
        "update users set email = 'x' where id between 301 and 400",
    ),
    "a write that it cannot fill": ("update users set handle = null, username = null where id between 301 and 400",),
}


@pytest.mark.parametrize("accident", ACCIDENTS)
async def test_a_row_that_came_to_match_behind_the_proof_is_found(users: Database, accident: str):
    """Each accident leaves rows matching in pages that were read: then one snapshot has to decide."""
    pack(users)
    try:
        async with installed(users) as worker:
            found, pieces = await verify(worker, {3: lambda: run_sql(users, *ACCIDENTS[accident])})
            assert users.query(BEHIND) == [(100, True)]
    finally:
        run_sql(users, "drop function if exists app_null cascade")
    assert (found.rows_left, pieces) == (100, 3)


async def test_a_row_that_no_update_fixes_is_found_wherever_it_moves(users: Database):
    """It matched before the proof, and lies behind it when its page is read: the trigger has counted that."""
    run_sql(users, "update users set username = null where id between 2901 and 2910")
    pack(users)
    async with installed(users) as worker:
        assert users.query(BEHIND) == [(10, False)]
        found, pieces = await verify(worker, {3: lambda: run_sql(users, MOVE)})
        assert users.query(BEHIND) == [(10, True)]
    assert (found.rows_left, pieces) == (10, 3)


async def test_after_a_write_that_was_not_filled_one_snapshot_decides(users: Database):
    """Its transaction may have begun before the proof and end behind it."""
    pack(users)
    async with installed(users) as worker:
        run_sql(users, "update users set handle = null, username = null where id = 301")
        found, pieces = await verify(worker)
    assert (found.rows_left, pieces) == (1, 0)


async def test_a_table_that_is_rewritten_meanwhile_is_read_again(users: Database):
    """To an older snapshot it would be empty."""
    rewritten = {3: lambda: run_sql(users, "alter table users alter email type varchar(200)")}
    async with installed(users) as worker:
        run_sql(users, f"{FILL} and id < 2999")
        found, _ = await verify(worker, rewritten)
    assert found.rows_left == 2


@contextmanager
def writing(database: Database) -> Iterator[list[int]]:
    """Let four sessions write rows that match, at full speed; give how many statements each has run."""
    over, counts = threading.Event(), [0] * 4

    def write(number: int) -> None:
        with psycopg.connect(database.dsn, autocommit=True) as connection:
            turn = number
            while not over.is_set():
                turn += 7
                row = turn % ROWS
                connection.execute("update users set handle = null, email = %s where id = %s", [f"e{turn}", row])
                connection.execute(
                    "insert into users values (%s, %s, 'e') on conflict (id) do update set handle = excluded.handle",
                    [ROWS + turn % 500, f"new{turn}"],
                )
                with connection.transaction():
                    connection.execute("delete from users where id = %s", [row + 3])
                    again = "insert into users values (%s, 'again', 'e') on conflict (id) do nothing"
                    connection.execute(again, [row + 3])
                counts[number] += 1

    threads = [threading.Thread(target=write, args=(number,), daemon=True) for number in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield counts
    finally:
        over.set()
        for thread in threads:
            thread.join(30)


async def test_with_writers_at_full_speed_a_job_ends_with_no_row_left(users: Database):
    """They write from before the trigger until after the end; without it the proof would find their rows."""
    with writing(users) as counts:
        ended, _ = await run(users.dsn, job_file(sync="trigger", batch={"max_rows": 200}))
        assert users.query("select count(*) from users where handle is null") == [(0,)]
    assert users.query("select count(*) from users where handle is null") == [(0,)]
    assert ended.state == "done"
    assert min(counts) > 0
