"""Tables, jobs and catalogs for tests of finish: a job that is done, its finish, and what the catalog says afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import anyio

from backfill.events.event import Event
from backfill.jobfile.load import JobFile
from backfill.postgres.change.finish import open_finish
from tests.fixtures_postgres import Database
from tests.integration.jobs import job_file, run, run_sql

HANDLE_KEY = {"columns": ["handle"], "unique": True, "name": "users_handle_key", "constraint": True}
ROWS = 300

PLAIN = (
    "create table users (id int primary key, username text not null, handle text)",
    f"insert into users (id, username) select i, 'user' || i from generate_series(1, {ROWS}) i",
)
PARTITIONED = (
    "create table users (id int, username text not null, handle text, primary key (id)) partition by range (id)",
    "create table users_1 partition of users for values from (0) to (100)",
    "create table users_2 partition of users for values from (100) to (1000) partition by range (id)",
    "create table users_2_1 partition of users_2 for values from (100) to (200)",
    "create table users_2_2 (handle text, gone int, username text not null, id int not null)",
    "alter table users_2_2 drop column gone",
    "alter table users_2 attach partition users_2_2 for values from (200) to (1000)",
    f"insert into users (id, username) select i, 'user' || i from generate_series(1, {ROWS}) i",
)


def finish_job(**finish: Any) -> JobFile:
    """Return the job of these tests, with this end."""
    return job_file(finish=finish)


def make_table(database: Database, *statements: str) -> None:
    """Make table users anew, and no state."""
    tables = ("users", "taken", "users_handle_key")
    drops = [f"drop table if exists {table} cascade" for table in tables]
    run_sql(database, *drops, "drop schema if exists backfill cascade", *statements)


async def fill(database: Database, job: JobFile) -> None:
    """Run the job to its end."""
    finished, _ = await run(database.dsn, job)
    assert finished.state == "done", finished


async def finish(
    database: Database, job: JobFile, dsn: str | None = None, events: list[Event] | None = None
) -> tuple[tuple[str, ...], list[Event]]:
    """Finish the job; return what was done, and the events."""
    events = [] if events is None else events
    async with open_finish(dsn or database.dsn, job, events.append, anyio.sleep) as opened:
        return await opened.run(), events


async def until(condition: Callable[[], object], timeout_s: float = 30.0) -> None:
    """Wait until something is so."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s
        await anyio.sleep(0.02)


CATALOG = """
select 'index', c.relname::text, pg_get_indexdef(i.indexrelid), i.indisvalid::text, i.indisready::text
from pg_index i join pg_class c on c.oid = i.indexrelid where c.relnamespace = 'public'::regnamespace
union all
select 'constraint', conrelid::regclass::text, conname || ' ' || pg_get_constraintdef(oid), convalidated::text, contype::text
from pg_constraint where connamespace = 'public'::regnamespace
union all
select 'column', attrelid::regclass::text, attname::text, attnotnull::text, ''
from pg_attribute a join pg_class c on c.oid = a.attrelid
where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and attnum > 0 and not attisdropped
union all
select 'trigger', tgrelid::regclass::text, tgname::text, tgenabled::text, '' from pg_trigger where not tgisinternal
union all
select 'function', proname::text, prokind::text, '', '' from pg_proc where pronamespace = to_regnamespace('backfill')
union all
select 'part', inhrelid::regclass::text, inhparent::regclass::text, '', '' from pg_inherits
order by 1, 2, 3
"""


def catalog(database: Database) -> list[tuple[Any, ...]]:
    """Return what the catalog says of the tables, their indexes and constraints."""
    return database.query(CATALOG)


def about(database: Database, *kinds: str) -> set[str]:
    """Return the catalog's lines of some kinds, each as one text."""
    return {" | ".join(row[1:]) for row in catalog(database) if row[0] in kinds}
