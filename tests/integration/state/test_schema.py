"""The server as a worker needs it, the state schema, and the least rights to work with."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from backfill.jobfile.load import JobFile
from backfill.postgres.plan.make import make_plan
from backfill.postgres.session.connection import connect
from backfill.postgres.session.server import ServerFacts, check_server, read_server
from backfill.postgres.state.schema import StateFacts, create_state, init, init_script, read_state
from backfill.postgres.state.status import read_status
from backfill.table.row_counts import BatchRange
from backfill.values.errors import ConnectionLost, Halted, JobError
from backfill.values.identifier import quote
from tests.fixtures_postgres import Cluster, Database
from tests.integration.jobs import fill, job_file, make_users, open_leaf, run, run_sql, session
from tests.integration.worker import Worker as Session

pytestmark = pytest.mark.anyio

TABLES = ["batch", "checkpoint", "event", "history", "job", "rejected", "request"]
RIGHTS = ["select", "insert", "update", "delete"]


@pytest.fixture
def users(shared: Database) -> Database:
    """Table users anew, and no state schema."""
    run_sql(shared, "drop table if exists users cascade", "drop schema if exists backfill cascade")
    make_users(shared, 500)
    return shared


@pytest.fixture
def role(users: Database) -> Iterator[str]:
    """A role that may log in and nothing else, with a name that has to be quoted."""
    name = f'O\'Neil "{secrets.token_hex(3)}"'
    run_sql(users, f"create role {quote(name)} login")
    yield name
    run_sql(users, f"drop owned by {quote(name)}", f"drop role {quote(name)}")


async def server_of(dsn: str) -> ServerFacts:
    async with await connect(dsn, application_name="backfill:test") as connection:
        return await read_server(connection)


async def state_of(dsn: str) -> StateFacts:
    async with await connect(dsn, application_name="backfill:test") as connection:
        return await read_state(connection)


def state_tables(database: Database) -> list[str]:
    rows = database.query(
        "select relname from pg_class"
        " where relnamespace = to_regnamespace('backfill') and relkind = 'r' and relname <> 'version'"
    )
    return sorted(row[0] for row in rows)


def mend(database: Database, error: Halted) -> None:
    """Run the statement that an error ends with."""
    assert "run: " in str(error)
    run_sql(database, str(error).partition("run: ")[2])


async def test_a_server_is_read_as_it_is(cluster: Cluster, users: Database):
    server = await server_of(users.dsn)
    [(version,)] = users.query("select current_setting('server_version_num')::int")
    assert server == ServerFacts(
        role="postgres",
        database=users.name,
        version=version,
        page_bytes=8192,
        in_recovery=False,
        visible=True,
        aurora=False,
        checkpoint_bytes=server.checkpoint_bytes,
        checkpoint_s=300.0,
        wal_compression="off",
        wal_compressions=server.wal_compressions,
    )
    check_server(server)


async def test_a_standby_is_refused(cluster: Cluster, users: Database):
    cluster.replica_a.wait_replayed()
    dsn = cluster.replica_a.dsn_for(dbname=users.name)
    with pytest.raises(ConnectionLost, match="read-only by a setting; give a DSN of the primary"):
        async with Session(dsn, job_file()):
            pass
    with pytest.raises(Halted, match="the server is a standby; give a DSN of the primary"):
        async with Session(f"{dsn} target_session_attrs=any", job_file()):
            pass
    both = f"host={cluster.sandbox.path},{cluster.sandbox.path} port={cluster.replica_a.port},{cluster.primary.port}"
    async with Session(f"{both} user=postgres dbname={users.name}", job_file()) as worker:
        assert (await worker.read_signals()).visible


async def test_a_server_that_is_too_old_is_refused(users: Database):
    with pytest.raises(Halted, match="the server is PostgreSQL 13; Tid Range Scans need 14 or later"):
        check_server(replace(await server_of(users.dsn), version=130_022))


async def test_a_server_of_other_pages_is_refused(users: Database):
    with pytest.raises(Halted, match="the server's pages have 32768 bytes; this version knows pages of 8192"):
        check_server(replace(await server_of(users.dsn), page_bytes=32_768))


async def test_a_role_that_cannot_see_replication_learns_the_grant_that_fixes_it(users: Database, role: str):
    run_sql(
        users,
        f"grant select, update on users to {quote(role)}",
        f"grant create on database {users.name} to {quote(role)}",
    )
    for grant in ("select 1", f"grant pg_read_all_stats to {quote(role)}"):
        run_sql(users, grant)
        with pytest.raises(Halted, match="cannot see replication, so no job may run") as caught:
            async with Session(users.dsn_for(role), job_file()):
                pass
    mend(users, caught.value)
    async with Session(users.dsn_for(role), job_file()) as worker:
        assert len((await worker.read_signals()).replicas) == 2


async def test_the_first_worker_creates_the_state_and_the_next_finds_it(users: Database):
    async with Session(users.dsn, job_file()):
        assert state_tables(users) == TABLES
    run_sql(users, "insert into backfill.job (name, spec, state) values ('kept', '{}', 'done')")
    async with Session(users.dsn, job_file()):
        assert users.query("select name from backfill.job") == [("kept",)]
    async with await connect(users.dsn, application_name="backfill:test") as connection:
        await create_state(connection)
    assert users.query("select name from backfill.job") == [("kept",)]


async def test_nothing_is_created_when_the_job_is_wrong(users: Database):
    run_sql(users, "drop table users")
    with pytest.raises(JobError, match="does not exist"):
        async with Session(users.dsn, job_file()):
            pass
    assert state_tables(users) == []


async def test_workers_that_come_first_together_create_the_state_once(users: Database):
    async def enter(stack: AsyncExitStack, number: int) -> None:
        await stack.enter_async_context(Session(users.dsn, job_file(name=f"job-{number}")))

    async with AsyncExitStack() as stack, anyio.create_task_group() as tasks:
        for number in range(8):
            tasks.start_soon(enter, stack, number)
    assert state_tables(users) == TABLES


async def test_a_role_that_may_not_create_the_state_learns_who_can(users: Database, role: str):
    run_sql(users, f"grant select, update on users to {quote(role)}", f"grant pg_monitor to {quote(role)}")
    with pytest.raises(Halted) as caught:
        async with Session(users.dsn_for(role), job_file()):
            pass
    assert str(caught.value) == (
        f"schema backfill is missing and role {role!r} may not create it;"
        f" run what this prints: backfill init --print --role {quote(role)}"
    )
    assert "may not create it" in str((await make_plan(users.dsn_for(role), job_file())).against)
    run_sql(users, init_script(role))
    async with Session(users.dsn_for(role), job_file()):
        pass


async def test_the_script_can_be_run_again(users: Database, role: str):
    for script in (init_script(None), init_script(role), init_script(role)):
        run_sql(users, script)
    assert state_tables(users) == TABLES


@pytest.mark.parametrize(
    "missing",
    [
        "usage on schema backfill",
        *(f"{right} on backfill.{table}" for right, table in zip([*RIGHTS, *RIGHTS[:3]], TABLES, strict=True)),
    ],
)
async def test_each_right_on_the_state_is_needed(users: Database, role: str, missing: str):
    run_sql(users, f"grant select, update on users to {quote(role)}")
    await init(users.dsn, role)
    run_sql(users, f"revoke {missing} from {quote(role)}")
    dsn = users.dsn_for(role)
    assert not (await state_of(dsn)).may_use
    with pytest.raises(Halted) as caught:
        async with Session(dsn, job_file()):
            pass
    assert str(caught.value) == (
        f"role {role!r} may not use schema backfill; run what this prints: backfill init --print --role {quote(role)}"
    )
    await init(users.dsn, role)
    async with Session(dsn, job_file()):
        pass


async def test_a_schema_without_tables_is_taken_for_ours(users: Database):
    run_sql(users, "create schema backfill")
    async with Session(users.dsn, job_file()):
        assert state_tables(users) == TABLES


async def test_a_schema_that_has_lost_a_table_is_reported(users: Database):
    await init(users.dsn, None)
    run_sql(users, "drop table backfill.rejected")
    for command in (read_status(users.dsn, None), run(users.dsn, job_file())):
        with pytest.raises(Halted, match=r"schema backfill has lost a table .* DROP SCHEMA backfill CASCADE;"):
            await command


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ("alter table backfill.batch rename to was_batch", "schema backfill has lost a table"),
        ("alter table backfill.checkpoint rename to was_scan", "schema backfill has lost a table"),
        (
            "update backfill.version set number = 99; alter table backfill.checkpoint rename column stripe to was_stripe",
            "schema backfill has version 99, and this backfill works with version",
        ),
    ],
)
async def test_a_schema_that_is_changed_under_a_worker_is_the_cause(users: Database, changed: str, why: str):
    async with session(users.dsn, job_file()) as worker:
        checkpoint = (await open_leaf(worker)).checkpoints[0]
        run_sql(users, changed)
        with pytest.raises(Halted, match=why):
            await fill(worker, checkpoint, BatchRange(end=checkpoint.window_limit, rows=1))
        assert users.query("select count(handle) from users") == [(0,)]


def least(database: Database, role: str) -> JobFile:
    """Give a role what `init` gives and what the messages tell to; return the job that it runs."""
    run_sql(
        database,
        init_script(role),
        "create schema if not exists app",
        "drop table if exists app.accounts",
        "create table app.accounts (id int primary key, username text, handle text, other text)",
        "insert into app.accounts select i, case when i > 10 then 'user' || i end, null from generate_series(1, 500) i",
        "analyze app.accounts",
        f"grant usage on schema app to {quote(role)}",
        f"grant select, update (handle) on app.accounts to {quote(role)}",
    )
    return job_file(table="app.accounts", throttle={"replicas": {"require": ["replica-a"]}})


async def test_the_least_rights_are_enough_for_a_whole_job(users: Database, role: str):
    job = least(users, role)
    finished, _ = await run(users.dsn_for(role), job)
    assert (finished.state, finished.rows_unconverged) == ("unconverged", 10)
    assert finished.rows_total >= 500  # a row that stays may be met again where its update has moved it
    assert users.query("select count(*) from app.accounts where handle is distinct from username") == [(0,)]
    [status] = await read_status(users.dsn_for(role), None)
    assert (status.state, status.rows_unconverged) == ("unconverged", 10)
    stuck, unable = (await make_plan(users.dsn_for(role), job)).against
    assert stuck.startswith("'where' stays true for every row of the measured batch")
    [(server,)] = users.query("select current_setting('server_version_num')::int")
    why = "permission denied; run: GRANT MAINTAIN " if server >= 170_000 else "before PostgreSQL 17 only the owner "
    assert unable.startswith(f"vacuum: auto cannot vacuum app.accounts: {why}")


async def test_the_least_rights_are_enough_for_the_command_line(users: Database, role: str, tmp_path: Path):
    path = tmp_path / "job.yaml"
    path.write_text(least(users, role).text)
    for arguments, code in ((["plan", str(path)], 0), (["run", str(path), "--http", "off"], 3), (["status"], 0)):
        command = [sys.executable, "-m", "backfill", *arguments, "--dsn", users.dsn_for(role)]
        done = await anyio.run_process(command, check=False)
        assert done.returncode == code, done.stdout + done.stderr
    assert users.query("select count(*) from app.accounts where handle is distinct from username") == [(0,)]


async def test_a_right_that_is_taken_away_meanwhile_halts(users: Database, role: str):
    job = least(users, role)
    async with Session(users.dsn_for(role), job):
        run_sql(users, f"revoke all on app.accounts from {quote(role)}")
    with pytest.raises(JobError, match=r"run: GRANT SELECT, UPDATE \(handle\) ON app\.accounts") as caught:
        await run(users.dsn_for(role), job)
    run_sql(users, str(caught.value).partition("run: ")[2])
    await run(users.dsn_for(role), job)
    assert users.query("select count(*) from app.accounts where handle is distinct from username") == [(0,)]
