"""Rows are counted exactly as a loop over all of them would; tables by any name and columns of any type are filled."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace

import psycopg
import pytest

from backfill.table.checkpoint import Tid
from tests.fixtures_postgres import Database
from tests.integration.jobs import (
    job_file,
    open_leaf,
    run,
    run_sql,
    session,
)

pytestmark = pytest.mark.anyio


GRID_ROWS = [1, 2, 3, 7, 10, 100, 290, 291, 300, 600, 5000]


@pytest.fixture
def ragged(shared: Database) -> Database:
    """A table with holes, dead tuples, moved rows and empty pages."""
    run_sql(
        shared,
        "drop table if exists ragged",
        "drop schema if exists backfill cascade",
        "create table ragged (id int, username text, handle text) with (autovacuum_enabled = off)",
        "insert into ragged select i, 'user' || i, null from generate_series(1, 3000) i",
        "delete from ragged where id % 5 = 0 or id between 800 and 1200",
        "vacuum ragged",
        "insert into ragged select i, 'user' || i, null from generate_series(4000, 4100) i",
        "update ragged set handle = 'done' where id % 7 = 0",
        "update ragged set id = id where id % 11 = 0",
        "update ragged set username = null where id % 13 = 0",
        "delete from ragged where id % 17 = 0",
        "analyze ragged",
    )
    return shared


@pytest.mark.parametrize("rows", GRID_ROWS)
@pytest.mark.parametrize("pass_number", [1, 2])
async def test_a_scout_counts_as_one_by_one(ragged: Database, rows: int, pass_number: int):
    job = job_file(table="ragged", batch={"stripes": 4})
    found = [
        (Tid(*map(int, tid.strip("()").split(","))), number)
        for tid, number in ragged.query(
            "select ctid::text, get_byte(tidsend(ctid), 5) & 3 from ragged where handle is null and (username is not null or %s)",
            pass_number == 1,
        )
    ]
    async with session(ragged.dsn, job) as worker:
        checkpoint = replace((await open_leaf(worker)).checkpoints[0], pass_number=pass_number)
        for place in (
            checkpoint,
            replace(checkpoint, next=Tid(3, 7), stripe=1),
            replace(checkpoint, next=Tid(checkpoint.end_page - 1, 200)),
        ):
            row_counts = await worker.count_rows(place, rows, 8192)
            bounds, end = row_counts.grid.bounds, row_counts.grid.end
            counts = [[0] * 4 for _ in bounds]
            for tid, number in found:
                if place.next <= tid < end:
                    counts[bisect_right(bounds, tid) - 1][number] += 1
            assert row_counts.counts == tuple(map(tuple, counts))
            assert max(map(sum, counts)) <= rows
            assert row_counts.stripe == place.stripe


async def test_a_scout_looks_no_further_than_its_window_and_touches_nothing(ragged: Database):
    job = job_file(table="ragged", batch={"stripes": 4})
    async with session(ragged.dsn, job) as worker:
        checkpoint = replace((await open_leaf(worker)).checkpoints[0], window_end=3)
        before = ragged.query("select pg_current_wal_insert_lsn()")
        row_counts = await worker.count_rows(checkpoint, 5000, 8192)
        assert row_counts.grid.end == Tid(3)
        assert ragged.query("select pg_current_wal_insert_lsn()") == before


ODD = '"Odd.%s ""Schema""%"."Tä%ble.x 100%(low)s"'


async def test_a_table_by_any_name_with_any_columns_is_filled(shared: Database):
    run_sql(
        shared,
        "drop schema if exists backfill cascade",
        'create schema "Odd.%s ""Schema""%"',
        f'create table {ODD} (tenant text, "Id%s" int, "Üser.%" text, "100%" text, "O\'Key" int, primary key (tenant, "Id%s"))',
        f"insert into {ODD} select 't%', i, case when i % 2 = 0 then i || '%x' end from generate_series(1, 500) i",
    )
    job = job_file(
        table=ODD,
        set={'"100%"': "replace(\"Üser.%\", '%', $$\\%$$) -- %(low)s", '"O\'Key"': '"Id%s" % 7'},
        where='("100%" IS NULL AND "Üser.%" LIKE \'%x\') OR "O\'Key" IS NULL',
    )
    finished, _ = await run(shared.worker_dsn, job)
    assert (finished.state, finished.rows_total) == ("done", 500)
    wrong = f'select 1 from {ODD} where "O\'Key" is distinct from "Id%s" % 7 or "100%" is distinct from replace("Üser.%", \'%\', \'\\%\')'
    with psycopg.connect(shared.dsn) as connection:
        assert connection.execute(wrong.encode()).fetchall() == []


VALUES = {
    "posint": ("id", "1", "300"),
    "mood": ("CASE WHEN id % 2 = 0 THEN 'ok'::mood ELSE 'sad' END", "sad", "ok"),
    "text[]": ("ARRAY[username, NULL]", "{user1,NULL}", "{user300,NULL}"),
    "jsonb": ("jsonb_build_object('%', username)", '{"%": "user1"}', '{"%": "user300"}'),
    "pair": ("ROW(id, username)", "(1,user1)", "(300,user300)"),
    "varchar(8)": ("username", "user1", "user300"),
    "char(10)": ("username", "user1", "user300"),
    "numeric(6,1)": ("id / 3.0", "0.3", "100.0"),
    "bytea": ("username::bytea", "\\x7573657231", "\\x75736572333030"),
    "int4range": ("int4range(0, id)", "[0,1)", "[0,300)"),
    "timestamptz": ("to_timestamp(id)", "1970-01-01 00:00:01+00", "1970-01-01 00:05:00+00"),
}


@pytest.mark.parametrize("kind", VALUES)
async def test_a_column_of_any_type_is_filled(shared: Database, kind: str):
    value, first, last = VALUES[kind]
    run_sql(
        shared,
        "drop schema if exists backfill cascade",
        "drop table if exists typed",
        "drop type if exists mood, pair, posint",
        "create type mood as enum ('sad', 'ok')",
        'create type pair as (a int, "B.c" text)',
        "create domain posint as int check (value > 0)",
        f"create table typed (id int primary key, username text, handle {kind})",
        "insert into typed select i, 'user' || i from generate_series(1, 300) i",
    )
    alone = {"replicas": {"ignore": ["*"]}}
    job = job_file(table="typed", set={"handle": value}, batch={"stripes": 1}, throttle=alone)
    finished, _ = await run(shared.worker_dsn, job)
    assert (finished.state, finished.rows_total) == ("done", 300)
    assert shared.query("select handle::text from typed where id in (1, 300) order by id") == [(first,), (last,)]
    assert shared.query("select count(handle) from typed") == [(300,)]
