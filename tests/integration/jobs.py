"""Job files, tables and sessions for tests on a real server."""

from __future__ import annotations

import json
import secrets
import sys
import time
from collections.abc import Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import psycopg
from psycopg import sql

from backfill.engine.ports import Runtime
from backfill.engine.supervisor import JobSupervisor
from backfill.events.event import Event
from backfill.events.job import Finished
from backfill.jobfile.load import JobFile, load
from backfill.postgres.catalog.check_expressions import prepare
from backfill.postgres.catalog.table import read_table
from backfill.postgres.session.connection import Connection, connect
from backfill.postgres.statements.compose import Statements, compose
from backfill.postgres.statements.predicates import RowPredicates
from backfill.postgres.work.job_session import open_job
from backfill.table.batch import Committed, OpenedLeaf
from backfill.table.checkpoint import Checkpoint, Layout, lay_out
from backfill.table.definition import Column, Table, TableIdentity
from backfill.table.row_counts import BatchRange, batch_range
from backfill.values.identifier import TableName
from tests.factories import admission, job, run_order
from tests.fault_injection import Primary
from tests.fixtures_postgres import Database
from tests.integration.worker import Worker as Session
from tests.roles import dismiss, employ_first

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_USERS = Table(
    name=TableName("public", "users"),
    identity=TableIdentity(1, 1, 1),
    pages=1,
    rows_estimated=1,
    columns=tuple(
        Column(name=one, type="text", generated=False, indexed=False) for one in ("id", "username", "handle")
    ),
    key=("id",),
    before_update_triggers=(),
)
STATEMENTS = tuple(name for name, _ in compose(RowPredicates(job(), _USERS, foreseen=True)).named())
"""Whatever the engine may send: one that is added is tested with the others. Jobs with a function have more."""


def job_file(path: str | Path = "job.yaml", /, **keys: Any) -> JobFile:
    """Return a job file of these keys, each on a line of its own in their order; name, table, set, where first."""
    spec = {"name": "users-handle", "table": "public.users", "set": {"handle": "username"}, "where": "handle IS NULL"}
    lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in (spec | keys).items()]
    return load("".join(lines), str(path))


def function_job(directory: Path, module: str, *, inputs: Sequence[str] = ("username",), **keys: Any) -> JobFile:
    """Return a job whose handle is what the function `f` of a module gives, which is written beside it."""
    (directory / "functions.py").write_text(module)
    python = {"function": "functions:f", "inputs": list(inputs)}
    return job_file(directory / "job.yaml", **{"set": {"handle": "python"}, "python": python} | keys)


def create_database(primary: Primary) -> Database:
    """Make a database of a server, and a worker for the whole jobs that run in it."""
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(primary.dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    database = Database(name, primary, f"worker_{name}")
    employ_first(database.dsn, database.worker)
    return database


def drop_database(database: Database) -> None:
    """Drop it, whoever is connected, and its worker."""
    dismiss(database.dsn, database.worker)
    with psycopg.connect(database.primary.dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(database.name)))


def run_sql(database: Database | Primary | str, *statements: str) -> None:
    """Run statements as superuser, or as whom a DSN names, each a transaction of its own."""
    with psycopg.connect(database if isinstance(database, str) else database.dsn, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def make_users(database: Database, rows: int, *, with_options: str = "autovacuum_enabled = off") -> None:
    """Make table users with `rows` rows whose handle is to be filled from username, about 60 rows a page."""
    run_sql(
        database,
        "create table users (id bigint primary key, username text, email text not null, handle text)"
        f" with ({with_options})",
        "insert into users select i, 'user' || i, repeat('x', 60) || i || '@example.org', null"
        f" from generate_series(1, {rows}) i",
        "vacuum analyze users",
    )


@asynccontextmanager
async def connected(dsn: str, job: JobFile) -> AsyncIterator[Connection]:
    """Give a session of the kind that a worker has."""
    async with await connect(dsn, application_name="backfill:test", job=job.job) as connection:
        yield connection


async def prepared(connection: Connection, job: JobFile, role: str = "postgres") -> tuple[Table, Statements]:
    """Read the table and return it with the job's statements."""
    table = await read_table(connection, job, role)
    return table, await prepare(connection, job, table)


@asynccontextmanager
async def session(dsn: str, job: JobFile, *, restart: bool = False) -> AsyncIterator[Session]:
    """Give a worker's session that has its locks."""
    async with Session(dsn, job, restart=restart) as opened:
        await take_lock(opened)
        yield opened


async def take_lock(worker: Session) -> None:
    """Take the locks as soon as the server has noticed that those who had them are gone."""
    deadline_s = time.monotonic() + 30
    while (holder := await worker.try_lock()) is not None:
        assert time.monotonic() < deadline_s, holder
        await anyio.sleep(0.01)


async def open_leaf(worker: Session) -> OpenedLeaf:
    """Open the job's table, its windows in as many equal stripes as the job file says: what lanes do by themselves."""
    await worker.begin()
    opened = await worker.open(str(worker.job.table))
    stripes = worker.job.batch.stripes
    if stripes == "auto":
        return opened
    layout = Layout((1,) * stripes)
    return replace(
        opened, checkpoints=tuple(lay_out(one, layout) if one.window_untouched else one for one in opened.checkpoints)
    )


async def next_pass(worker: Session, checkpoint: Checkpoint) -> Checkpoint:
    """Begin the next pass of a job with one lane."""
    [begun] = await worker.leaf.new_pass((checkpoint,))
    return begun


async def start_again(worker: Session, checkpoint: Checkpoint) -> tuple[Checkpoint, str]:
    """Start the pass of a job with one lane again, and say why."""
    [fresh], why = await worker.reopen((checkpoint,))
    return fresh, why


async def fill(worker: Session, checkpoint: Checkpoint, batch_range: BatchRange) -> Committed:
    """Run one batch that must be committed."""
    done = await run_order(worker.lane, checkpoint, batch_range, admission(batch_range.rows))
    assert isinstance(done, Committed), done
    return done


async def next_cut(worker: Session, checkpoint: Checkpoint, rows: int = 1_000_000) -> BatchRange:
    """Return the next batch of at most `rows` rows from the scan's place."""
    found = batch_range(await worker.count_rows(checkpoint, rows, sys.maxsize), checkpoint, rows)
    assert found is not None
    return found


async def asleep(database: Database, event: str = "PgSleep") -> int:
    """Return the session of ours that waits for this, as soon as there is one."""
    waiting = "select pid from pg_stat_activity where application_name like 'backfill:%%' and wait_event = %s"
    for _ in range(400):
        if found := database.query(waiting, event):
            return int(found[0][0])
        await anyio.sleep(0.03)
    raise AssertionError(f"nobody waits for {event}")


async def run(dsn: str, job: JobFile) -> tuple[Finished, list[Event]]:
    """Run a whole job as `backfill run` does, in this process; return how it ended and what it told."""
    events: list[Event] = []
    runtime = Runtime(record=events.append, now_s=time.monotonic, sleep=anyio.sleep, jitter=lambda: 0.5)
    return await JobSupervisor(job.job, lambda: open_job(dsn, job), runtime, wait_for_lock=True).run(), events
