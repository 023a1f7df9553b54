"""Migrations: a job that an earlier version left in its middle is finished, and no two versions work on one schema.

The dumps in tests/fixtures hold the state, tables and audit trail of jobs whose worker of 9fd5c02 was killed.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from backfill.events.job import PassRestarted, Started
from backfill.jobfile.load import load
from backfill.postgres.session.connection import connect
from backfill.postgres.state.migrations import KEY, latest, migrations
from backfill.postgres.state.schema import create_state, init, init_script
from backfill.postgres.state.status import read_status
from backfill.sandbox import Server
from backfill.values.errors import Halted, StatementRefused
from backfill.values.identifier import quote
from tests import fixtures
from tests.fixtures.killed_jobs import JOBS, KilledJob
from tests.fixtures_postgres import Database
from tests.integration.jobs import create_database, drop_database, job_file, run, run_sql
from tests.integration.worker import Worker as Session

pytestmark = [pytest.mark.anyio, pytest.mark.majors(14, 18)]

DUMPS = Path(fixtures.__file__).parent
IN_PLACE = """
update backfill.scan set table_oid = leaf::regclass, filenode = pg_relation_filenode(leaf::regclass),
    system_identifier = (select system_identifier from pg_control_system())
"""
SHAPE = """
select table_name, column_name, data_type, is_nullable, is_generated from information_schema.columns
where table_schema = 'backfill' order by table_name, column_name
"""
KEYS = """
select conrelid::regclass::text, conname, pg_get_constraintdef(oid) from pg_constraint
where connamespace = to_regnamespace('backfill') and contype in ('p', 'f', 'c', 'u') order by conrelid::regclass::text, conname
"""


@pytest.fixture
def empty(bare: Server) -> Iterator[Database]:
    """A database of its own and its worker, who may create there."""
    database = create_database(bare)
    run_sql(database, f"grant create on schema public to {quote(database.worker)}")
    yield database
    drop_database(database)


@pytest.fixture
def killed(empty: Database, major: int) -> Database:
    """What 9fd5c02 left, restored as the worker, so that it is the owner."""
    restore(empty.worker_dsn, major)
    return empty


def restore(dsn: str, major: int) -> None:
    run_sql(dsn, (DUMPS / f"state_9fd5c02_{major}.sql").read_text())


def number(database: Database) -> int:
    [(found,)] = database.query("select number from backfill.version")
    return int(found)


def updated_more_than_once(database: Database) -> list[tuple[object, ...]]:
    return database.query("select tab, id, count(*) from updates group by tab, id having count(*) > 1")


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.name)
@pytest.mark.parametrize("place", ["restored elsewhere", "in place"])
async def test_a_job_that_an_earlier_version_left_is_finished_with_each_row_updated_once(
    killed: Database, job: KilledJob, place: str
):
    if place == "in place":
        run_sql(killed, IN_PLACE)
    [(done_before,)] = killed.query("select sum(rows_total)::int from backfill.scan where job = %s", job.name)
    finished, events = await run(killed.worker_dsn, load(job.text, "job.yaml"))
    assert finished.state == ("done" if job.rejected == 0 else "unconverged"), finished.why
    assert (finished.rows_total, finished.rows_rejected) == (job.rows, job.rejected)
    assert 0 < done_before < job.rows
    assert killed.query("select count(distinct id)::int from updates where tab = %s", job.table) == [(job.rows,)]
    assert updated_more_than_once(killed) == []
    [started] = [event for event in events if isinstance(event, Started)]
    assert started.resumed
    restarts = {event.why for event in events if isinstance(event, PassRestarted)}
    assert restarts == (set() if place == "in place" else {"the checkpoint was written in another cluster"})
    assert number(killed) == latest()


async def test_rejected_rows_of_an_earlier_version_are_known_by_their_key(killed: Database):
    async with await connect(killed.worker_dsn, application_name="backfill:test") as connection:
        await create_state(connection)
    assert killed.query("select key from backfill.rejected where key_digest = sha256(convert_to(key, 'UTF8'))") == [
        ('{"id": 20}',),
        ('{"id": 90}',),
    ]
    [status] = await read_status(killed.worker_dsn, "accounts-handle")
    assert (status.state, status.rows_rejected) == ("abandoned", 2)


async def test_a_migrated_schema_is_the_one_that_is_created(killed: Database, bare: Server):
    await init(killed.worker_dsn, None)
    fresh = create_database(bare)
    try:
        await init(fresh.worker_dsn, None)
        assert fresh.query(SHAPE) == killed.query(SHAPE)
        assert fresh.query(KEYS) == killed.query(KEYS)
    finally:
        drop_database(fresh)


async def test_no_key_has_a_generated_column(empty: Database):
    await init(empty.worker_dsn, None)
    assert (
        empty.query(
            "select attrelid::regclass, attname from pg_attribute where attgenerated <> ''"
            " and attrelid in (select oid from pg_class where relnamespace = to_regnamespace('backfill'))"
        )
        == []
    )


async def test_the_script_migrates_and_then_changes_nothing(killed: Database):
    for _ in range(3):
        run_sql(killed.worker_dsn, init_script(None))
        assert number(killed) == latest()
    assert killed.query("select count(*) from backfill.version") == [(1,)]
    assert killed.query("select count(*) from backfill.checkpoint where job = 'users-handle'") == [(1,)]


async def test_each_migration_has_a_number_of_its_own_and_they_are_applied_in_order():
    numbers = [migration.number for migration in migrations()]
    assert numbers == sorted(set(numbers))
    assert (numbers[0], numbers[-1]) == (1, latest())


async def test_an_older_schema_that_the_role_may_not_change_names_init(empty: Database, major: int):
    restore(empty.dsn, major)
    worker = quote(empty.worker)
    run_sql(
        empty,
        f"grant usage on schema backfill to {worker}",
        f"grant select, insert, update, delete on all tables in schema backfill, public to {worker}",
    )
    job = load(JOBS[0].text, "job.yaml")
    with pytest.raises(Halted) as caught:
        async with Session(empty.worker_dsn, job):
            pass
    assert str(caught.value) == (
        f"schema backfill has version 0, this backfill works with version {latest()}, and role {empty.worker!r} may not"
        f" change it; run what this prints: backfill init --print --role {worker}"
    )
    with pytest.raises(Halted, match=r"schema backfill has version 0, .* run: backfill init"):
        await read_status(empty.worker_dsn, None)
    run_sql(empty, init_script(empty.worker))
    finished, _ = await run(empty.worker_dsn, job)
    assert (finished.state, finished.rows_total) == ("done", 400)


async def test_an_older_backfill_that_meets_a_newer_schema_says_so_and_touches_nothing(empty: Database):
    await init(empty.worker_dsn, None)
    run_sql(empty, "update backfill.version set number = 99", "create table users (id int, username text, handle text)")
    message = (
        f"schema backfill has version 99, and this backfill works with version {latest()} at most: a newer backfill has"
        " migrated it; upgrade this one"
    )
    with pytest.raises(Halted) as caught:
        async with Session(empty.worker_dsn, job_file()):
            pass
    assert str(caught.value) == message
    for command in (read_status(empty.worker_dsn, None), init(empty.worker_dsn, None)):
        with pytest.raises(Halted) as caught:
            await command
        assert str(caught.value) == message
    assert number(empty) == 99


@pytest.mark.parametrize("held", ["the lock of migrations", "a table"])
async def test_a_migration_that_cannot_get_a_lock_names_the_holder(killed: Database, held: str):
    name = f"dba-{secrets.token_hex(3)}"
    with psycopg.connect(killed.dsn, application_name=name) as holder:
        statement = f"select pg_advisory_xact_lock({KEY})" if held.startswith("the lock") else "table backfill.scan"
        holder.execute(statement.encode())
        [(pid,)] = holder.execute("select pg_backend_pid()").fetchall()
        async with await connect(killed.worker_dsn, application_name="backfill:test") as connection:
            run_sql(killed, f"grant pg_monitor to {quote(killed.worker)}")
            with pytest.raises(StatementRefused) as caught:
                await create_state(connection)
    assert caught.value.sqlstate == "55P03"
    assert f"schema backfill cannot be migrated: locked by {name} (pid {pid}, role postgres, transaction since" in str(
        caught.value
    )
    await init(killed.worker_dsn, None)
    assert number(killed) == latest()
