"""A job under a role's settings leaves the rows that the plain UPDATE of the same role leaves, and fires its triggers so."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import anyio
import psycopg
import pytest
from psycopg import sql

from backfill.jobfile.load import JobFile
from backfill.postgres.plan.make import make_plan
from backfill.table.row_counts import BatchRange
from backfill.values.errors import Halted, WhereStaysTrue
from tests.fixtures_postgres import Database
from tests.integration.jobs import fill, job_file, next_cut, open_leaf, run, run_sql, session

pytestmark = pytest.mark.anyio

SETTINGS = {
    "TimeZone": "America/New_York",
    "DateStyle": "SQL, DMY",
    "IntervalStyle": "iso_8601",
    "extra_float_digits": "-10",
    "bytea_output": "escape",
    "array_nulls": "off",
    "standard_conforming_strings": "off",
    "escape_string_warning": "off",
    "transform_null_equals": "on",
    "quote_all_identifiers": "on",
    "search_path": "shop, public",
}
EXPRESSIONS = {
    "day": ("date", "at::date"),
    "later": ("timestamptz", "(at - interval '1 day')::timestamp"),
    "shown": ("text", "at::text || (at - '2024-01-01')::text"),
    "number": ("text", "(id / 3.0::float8)::text"),
    "bytes": ("text", "convert_to('ä' || id, 'UTF8')::text"),
    "list": ("text[]", "'{1,NULL}'::text[]"),
    "escaped": ("text", r"'a\\b' || id"),
    "parsed": ("date", "'03/02/2024'::date"),
    "equal": ("boolean", "(NULL = NULL)"),
    "named": ("text", "label(id)"),
    "type": ("text", "format_type('shop.mood'::regtype, NULL)"),
}
ROLE_ROWS = 200


def table(database: Database, name: str) -> None:
    columns = ", ".join(f"{column} {kind}" for column, (kind, _) in EXPRESSIONS.items())
    run_sql(
        database,
        f"create table shop.{name} (id int primary key, at timestamptz, {columns})",
        f"insert into shop.{name} select i, timestamptz '2024-03-09 12:00Z' + i * interval '17 minutes'"
        f" from generate_series(1, {ROLE_ROWS}) i",
        f"grant select, update on shop.{name} to {database.worker}",
        f"analyze shop.{name}",
    )


@pytest.fixture
def shop(database: Database) -> Database:
    """Two tables with the same rows, and a role whose settings change what almost every expression means."""
    worker = f"worker_{database.name}"
    run_sql(
        database,
        f"create role {worker} login in role pg_monitor",
        f"grant create on database {database.name} to {worker}",
        "create schema shop",
        f"grant usage on schema shop to {worker}",
        "create type shop.mood as enum ('ok')",
        "create function shop.label(int) returns text language sql as $$ select 'shop' || $1 $$",
        "create function public.label(int) returns text language sql as $$ select 'public' || $1 $$",
        *(
            sql.SQL("alter role {} set {} = {}")
            .format(sql.Identifier(worker), sql.Identifier(name), SQL_PATH if name == "search_path" else value)
            .as_string()
            for name, value in SETTINGS.items()
        ),
    )
    return Database(database.name, database.primary, worker)


SQL_PATH = sql.SQL(SETTINGS["search_path"])


async def until(holds: Callable[[], bool]) -> None:
    """Wait until the statistics of a session that has ended are there."""
    deadline_s = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline_s
        await anyio.sleep(0.05)


@pytest.fixture(autouse=True)
def no_role_is_left(database: Database, request: pytest.FixtureRequest) -> Any:
    yield
    if "shop" in request.fixturenames:
        worker = f"worker_{database.name}"
        run_sql(database, f"drop owned by {worker} cascade", f"drop role {worker}")


def filling(**keys: Any) -> JobFile:
    assigned = {column: expression for column, (_, expression) in EXPRESSIONS.items()}
    return job_file(**{"table": "shop.filled", "set": assigned, "where": "day IS NULL", "batch": {"rows": 50}} | keys)


@pytest.mark.parametrize("options", ["", " options='-c TimeZone=Asia/Kathmandu -c extra_float_digits=-12'"])
async def test_expressions_mean_what_they_mean_in_the_plain_update(shop: Database, options: str):
    table(shop, "filled")
    table(shop, "plain")
    dsn = shop.worker_dsn + options
    with psycopg.connect(dsn, autocommit=True) as connection:
        assigned = ", ".join(f"{column} = {expression}" for column, (_, expression) in EXPRESSIONS.items())
        connection.execute(f"update plain set {assigned} where day is null".encode())
    finished, _ = await run(dsn, filling())
    assert (finished.state, finished.rows_total) == ("done", ROLE_ROWS)
    assert shop.query("select * from shop.filled except select * from shop.plain") == []
    assert shop.query("select * from shop.plain except select * from shop.filled") == []
    assert shop.query("select escaped, equal, named, list, parsed::text from shop.filled where id = 1") == [
        ("a\\b1", True, "shop1", ["1", "NULL"], "2024-02-03")
    ]


async def test_triggers_run_under_the_role_s_settings_the_deferred_ones_at_commit_too(shop: Database):
    table(shop, "filled")
    run_sql(
        shop,
        "create table shop.log (id int, kind text, path text, zone text, security text)",
        f"grant insert on shop.log to {shop.worker}",
        "create function shop.note() returns trigger language plpgsql as $$ begin insert into log values"
        " (new.id, tg_name, current_setting('search_path'), current_setting('TimeZone'), current_setting('row_security'));"
        " return new; end $$",
        "create trigger a_row before update on shop.filled for each row execute function shop.note()",
        "create constraint trigger b_deferred after update on shop.filled deferrable initially deferred"
        " for each row execute function shop.note()",
    )
    finished, _ = await run(shop.worker_dsn, filling(set={"day": "at::date"}, accept=["several-rows"]))
    assert finished.rows_total == ROLE_ROWS
    assert shop.query("select kind, path, zone, security, count(*) from shop.log group by 1, 2, 3, 4 order by 1") == [
        (kind, "shop, public", "America/New_York", "on", ROLE_ROWS) for kind in ("a_row", "b_deferred")
    ]
    assert shop.query("select count(*) from backfill.batch where rows > 0")[0][0] > 0


async def test_a_trigger_that_changes_the_session_s_settings_changes_none_of_ours(shop: Database):
    table(shop, "filled")
    run_sql(
        shop,
        "create function shop.disturb() returns trigger language plpgsql as $$ begin"
        " perform set_config('search_path', 'nowhere', false), set_config('DateStyle', 'SQL', false); return new; end $$",
        "create trigger disturb after update on shop.filled for each row execute function shop.disturb()",
    )
    finished, _ = await run(shop.worker_dsn, filling(set={"day": "at::date"}))
    assert (finished.state, finished.rows_total) == ("done", ROLE_ROWS)


async def test_row_security_of_another_table_hides_what_it_hides_from_the_plain_update(shop: Database):
    """With row_security off of ours it was an error of the trigger's function."""
    table(shop, "filled")
    owner = f"owner_{shop.name}"
    run_sql(
        shop,
        f"create role {owner}",
        f"grant usage on schema shop to {owner}",
        "create table shop.secret (id int, visible boolean)",
        "insert into shop.secret select i, i % 2 = 0 from generate_series(1, 200) i",
        f"alter table shop.secret owner to {owner}",
        "alter table shop.secret enable row level security, force row level security",
        "create policy part on shop.secret using (visible)",
        "create function shop.look() returns trigger language plpgsql security definer as $$ begin"
        " new.named = (select count(*) from shop.secret where id = new.id); return new; end $$",
        f"alter function shop.look() owner to {owner}",
        "create trigger look before update on shop.filled for each row execute function shop.look()",
    )
    finished, _ = await run(shop.worker_dsn, filling(set={"day": "at::date"}))
    assert (finished.state, finished.rows_total) == ("done", ROLE_ROWS)
    assert shop.query("select named, count(*) from shop.filled group by 1 order by 1") == [("0", 100), ("1", 100)]
    run_sql(shop, f"drop owned by {owner} cascade", f"drop role {owner}")


async def test_row_security_that_comes_to_the_job_s_table_in_the_middle_stops_it(shop: Database):
    table(shop, "filled")
    async with session(shop.worker_dsn, filling(set={"day": "at::date"})) as worker:
        checkpoint = (await open_leaf(worker)).checkpoints[0]
        batch_range: BatchRange = await next_cut(worker, checkpoint)
        run_sql(
            shop,
            "alter table shop.filled enable row level security",
            "create policy part on shop.filled using (id > 100)",
        )
        with pytest.raises(Halted, match=r"row security now hides rows of 'shop.filled' from this role"):
            await fill(worker, checkpoint, batch_range)
    assert shop.query("select count(*) from shop.filled where day is not null") == [(0,)]


async def test_planner_switches_of_a_role_do_not_make_a_batch_read_the_whole_table(shop: Database):
    table(shop, "filled")
    run_sql(shop, "insert into shop.filled select i from generate_series(1000, 20000) i", "vacuum analyze shop.filled")
    for name in ("enable_tidscan", "enable_indexscan", "enable_bitmapscan", "enable_nestloop"):
        run_sql(shop, f"alter role {shop.worker} set {name} = off")
    plan = await make_plan(shop.worker_dsn, filling(set={"day": "now()::date"}), measuring=False)
    assert (
        "this role has enable_bitmapscan = off, enable_indexscan = off, enable_nestloop = off, enable_tidscan = off,"
        " with which each batch could read the whole table: a run works without"
    ) in plan.against
    counted = "select seq_scan, n_tup_upd from pg_stat_user_tables where relname = 'filled'"
    [(scans, _)] = shop.query(counted)
    async with session(shop.worker_dsn, filling(set={"day": "now()::date"})) as worker:
        checkpoint = (await open_leaf(worker)).checkpoints[0]
        await fill(worker, checkpoint, await next_cut(worker, checkpoint, 50))
    await until(lambda: shop.query(counted)[0][1] > 0)
    assert shop.query(counted)[0][0] == scans


async def test_row_security_that_comes_after_the_last_batch_is_no_proof(shop: Database):
    table(shop, "filled")
    async with session(shop.worker_dsn, filling(set={"day": "at::date"})) as worker:
        await open_leaf(worker)
        run_sql(
            shop,
            "alter table shop.filled enable row level security",
            "create policy part on shop.filled using (id > 1000)",
        )
        with pytest.raises(Halted, match="row security now hides rows"):
            await worker.verify(1)


@pytest.mark.parametrize("columns", [51, 200])
async def test_the_trial_of_the_first_batch_is_there_for_any_number_of_columns(database: Database, columns: int):
    names = [f"c{number}" for number in range(columns)]
    run_sql(
        database,
        f"create table wide (id int primary key, {', '.join(f'{name} int' for name in names)})",
        "insert into wide select i from generate_series(1, 500) i",
    )
    job = job_file(table="wide", set=dict.fromkeys(names, "id"), where="id > 0")
    with pytest.raises(WhereStaysTrue, match=r'for example row \{"id": 1\}: \{"c0": null'):
        await run(database.dsn, job)
    assert database.query("select count(*) from wide where c0 is not null") == [(0,)]


@pytest.mark.timeout(180)
async def test_a_table_of_hundreds_of_columns_is_filled(database: Database):
    names = [f"c{number}" for number in range(400)]
    run_sql(
        database,
        f"create table wide (id int primary key, {', '.join(f'{name} boolean' for name in names)})",
        "insert into wide select i from generate_series(1, 50) i",
    )
    finished, _ = await run(database.dsn, job_file(table="wide", set=dict.fromkeys(names, "true"), where="c0 IS NULL"))
    assert (finished.state, finished.rows_total) == ("done", 50)
