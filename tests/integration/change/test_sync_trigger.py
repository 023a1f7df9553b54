"""`sync: trigger` on real tables: what others write is filled as the job would fill it, and no write fails for our sake."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, LiteralString

import anyio
import psycopg
import pytest

from backfill.events.event import Event
from backfill.events.sync import SyncTriggerMade, SyncTriggerRemoved
from backfill.postgres.catalog.sync_state import read_sync_state
from backfill.postgres.change.forget import forget_with_trigger
from backfill.postgres.change.sync_trigger import find_sync_trigger, remove_sync_trigger
from backfill.postgres.monitor.side_connection import side_connection
from backfill.postgres.state.status import read_status
from backfill.values.errors import Halted, JobError
from tests.fixtures_postgres import Database
from tests.integration.jobs import connected, job_file, make_users, run, run_sql, session
from tests.integration.worker import Worker

pytestmark = pytest.mark.anyio

JOB = "users-handle"
TRIGGER = "zzz_backfill_users-handle"


@pytest.fixture
def users(shared: Database) -> Database:
    """Table users anew, no job in the state schema, and an application that may write the table and nothing else."""
    run_sql(
        shared,
        "drop table if exists users, accounts, given, written cascade",
        "drop schema if exists backfill, app cascade",
        "do $$ begin if to_regrole('application') is null then create role application login; end if; end $$",
    )
    make_users(shared, 100)
    run_sql(shared, "grant select, insert, update, delete on users to application")
    return shared


@asynccontextmanager
async def installed(database: Database, events: list[Event] | None = None, **keys: Any) -> AsyncIterator[Worker]:
    """Give a worker's session of a job that has begun and made its trigger."""
    async with session(database.dsn, job_file(sync="trigger", **keys)) as worker:
        await worker.begin()
        await install(worker, events)
        yield worker


async def install(worker: Worker, events: list[Event] | None = None) -> None:
    await worker.session.install_sync_trigger((events if events is not None else []).append, anyio.sleep)


async def remove(database: Database, events: list[Event] | None = None) -> bool:
    async with side_connection(database.dsn) as side, connected(database.dsn, job_file(sync="trigger")) as connection:
        report = (events if events is not None else []).append
        return await remove_sync_trigger(connection, JOB, side=side, report=report, sleep=anyio.sleep)


def write(database: Database, *statements: LiteralString) -> None:
    """Run statements as the application."""
    run_sql(database.dsn_for("application"), *statements)


TRIGGERS = "select tgname, tgrelid::regclass::text, tgenabled::text from pg_trigger where tgname like 'z%%_backfill_%%' order by 2, 1"
LEFT_BEHIND = "select count(*) from (select proname from pg_proc union all select relname from pg_class) o (name) where name like 'sync_%%'"


async def test_every_way_to_write_a_row_is_filled_and_what_the_application_sets_is_left_alone(users: Database):
    ended, events = await run(users.dsn, job_file(sync="trigger"))
    assert (ended.state, [event.trigger for event in events if isinstance(event, SyncTriggerMade)]) == (
        "done",
        [TRIGGER],
    )
    write(
        users,
        "insert into users values (201, 'ann', 'e')",
        "insert into users values (202, 'bob', 'e', 'own')",
        "insert into users values (1, 'x', 'e') on conflict (id) do update set handle = null, username = 'one'",
        "insert into users (id, username, email) values (2, 'two', 'e') on conflict (id) do update set username = 'two'",
        "update users set handle = null, username = 'three' where id = 3",
        "update users set username = 'renamed' where id = 4",
        "update users set handle = 'own' where id = 5",
        "with w as (insert into users values (203, 'cte', 'e') returning handle) select from w",
    )
    with psycopg.connect(users.dsn_for("application")) as connection:
        with connection.cursor().copy("copy users (id, username, email) from stdin") as copy:
            copy.write_row((204, "copied", "e"))
        if connection.info.server_version >= 150_000:
            connection.execute(
                "merge into users u using (values (6)) v (id) on u.id = v.id when matched then update set handle = null"
            )
    run_sql(users, "set session_replication_role = replica; insert into users values (205, 'applied', 'e')")
    assert users.query("select id, handle from users where id in (1, 2, 3, 4, 5, 6) or id > 200 order by id") == [
        *((1, "one"), (2, "user2"), (3, "three"), (4, "user4"), (5, "own"), (6, "user6")),
        *((201, "ann"), (202, "own"), (203, "cte"), (204, "copied"), (205, "applied")),
    ]
    assert users.query("select count(*) from users where handle is null") == [(0,)]
    assert users.query(TRIGGERS) == [(TRIGGER, "users", "A")]


ORACLE: dict[str, dict[str, Any]] = {
    "old values": {"set": {"username": "handle", "handle": "username"}, "where": "handle IS NULL"},
    "types": {
        "set": {
            "n": "length(username) * 1.6",
            "short": "'abc'",
            "tags": "ARRAY[username, NULL]",
            '"on"': "'2024-02-03'",
        },
        "where": "n IS NULL",
    },
    "settings": {"set": {"handle": "at::text || to_char(1.5, '9D9')"}, "where": "handle IS NULL"},
    "function for where": {"set": {"handle": "lower(username)"}, "where": "handle IS NULL AND length(username) > 4"},
    "sub-select": {
        "set": {"handle": "(SELECT max(a.name) FROM accounts a WHERE a.id = users.id)"},
        "where": "handle IS NULL",
    },
    "joined": {
        "set": {"handle": "accounts.name || found"},
        "using": {"table": "accounts", "on": "accounts.id = users.id"},
        "where": "users.handle IS NULL AND accounts.name <> 'user2'",
    },
    "names": {"set": {'"Odd ""ñame%"': "\"new\" || '%' -- a comment"}, "where": 'users."Odd ""ñame%" IS NULL'},
    "counts": {"set": {"n": "coalesce(n, 0) + 1"}, "where": "n IS NULL OR n < 3"},
}


@pytest.mark.parametrize("case", ORACLE)
async def test_a_row_becomes_what_the_plain_update_would_make_of_it(users: Database, case: str):
    """The rows are written under the trigger to one table, and updated by the plain UPDATE in a copy of it."""
    run_sql(
        users,
        'alter table users add n smallint, add short varchar(3), add tags text[], add "on" date, add at timestamptz,'
        ' add "new" text, add "Odd ""ñame%" text, add found text default \'!\'',
        "create table accounts as select i as id, 'user' || i as name from generate_series(1, 5) i",
        "create table given as select * from users limit 0",
        "insert into given (id, username, email, n, at, \"new\") select i, 'User' || i, 'e', nullif(i, 1),"
        " '2024-03-31 01:30+00', 'new' || i from generate_series(1, 6) i",
        "truncate users",
        f"alter role postgres in database {users.name} set timezone = 'Europe/Berlin'",
        f"alter role postgres in database {users.name} set datestyle = 'German'",
        "grant select on accounts to application",
    )
    keys = ORACLE[case]
    source = f"\nFROM accounts WHERE {keys['using']['on']} AND" if "using" in keys else "\nWHERE"
    assigned = ", ".join(f"{column} = ({expression}\n)" for column, expression in keys["set"].items())
    async with installed(users, None, **keys):
        with psycopg.connect(users.dsn) as connection:
            settings = "select concat_ws(' ', current_setting('timezone'), current_setting('datestyle'))"
            for one in ("timezone = 'Asia/Tokyo'", "datestyle = 'SQL, DMY'", "search_path = pg_catalog"):
                connection.execute(f"set {one}".encode())
            connection.execute("insert into public.users select * from public.given")
            assert connection.execute(settings).fetchone() == ("Asia/Tokyo SQL, DMY",)
    run_sql(users, "alter table users rename to written", "alter table given rename to users")
    run_sql(users, f"UPDATE users SET {assigned}{source} ({keys['where']}\n)")
    assert users.query("select w::text from written w order by id") == users.query(
        "select u::text from users u order by id"
    )
    run_sql(users, f"alter role postgres in database {users.name} reset all")


async def test_a_row_that_cannot_be_filled_is_written_as_the_application_wants_it(users: Database):
    """A failing expression, a missing right, a value that must not be null: the row waits for the job's batches."""
    run_sql(
        users,
        "alter table users add n integer, add m integer not null default 7",
        "create schema app; create function app.f(text) returns integer language sql return length($1)",
        "revoke all on function app.f(text) from public",
    )
    keys = {"set": {"n": "100 / app.f(username)", "m": "nullif(app.f(username), 3)"}, "where": "n IS NULL"}
    async with installed(users, None, **keys) as worker:
        missed = "select coalesce(pg_sequence_last_value('backfill.\"sync_users-handle\"'), 0)"
        write(users, "insert into users values (201, 'four', 'e')")
        assert users.query(missed) == [(1,)]
        run_sql(
            users,
            "grant usage on schema app to application; grant execute on function app.f(text) to application",
        )
        write(users, "insert into users values (202, 'four', 'e'), (203, '', 'e'), (204, 'abc', 'e')")
        assert users.query(missed) == [(3,)]
        found = users.query("select n, m from users where id > 200 order by id")
        assert found == [(None, 7), (25, 4), (None, 7), (None, 7)]
        await install(worker)
        assert users.query("select has_schema_privilege('application', 'backfill', 'usage')") == [(False,)]


async def test_batches_fill_their_rows_once_and_themselves(users: Database):
    """A row that still matches is one that the plain UPDATE leaves matching: the trigger adds nothing to that."""
    run_sql(users, "alter table users add n integer", "update users set n = case when id % 2 = 0 then 9 else 1 end")
    ended, _ = await run(users.dsn, job_file(sync="trigger", set={"n": "n + 1"}, where="n < 10"))
    assert ended.state == "unconverged"
    assert users.query("select distinct n from users order by n") == [(2,), (10,)]
    write(users, "update users set email = 'x' where id = 1")
    assert users.query("select n from users where id = 1") == [(3,)]


PARTITIONED = (
    "drop table users",
    "create table users (id bigint, username text, email text, handle text, day int) partition by list (day)",
    "create table users_1 (handle text, day int, id bigint, dropped int, email text, username text)",
    "alter table users_1 drop dropped",
    "alter table users attach partition users_1 for values in (1)",
    "create table users_2 partition of users for values in (2)",
    "insert into users select i, 'user' || i, 'e', null, 1 + i % 2 from generate_series(1, 50) i",
    "grant all on users to application",
)


async def test_partitions_have_it_whenever_they_are_attached(users: Database):
    run_sql(users, *PARTITIONED)
    ended, _ = await run(users.dsn, job_file(sync="trigger"))
    assert ended.state == "done"
    async with connected(users.dsn, job_file()) as connection:
        for (oid,) in users.query("select inhrelid::bigint from pg_inherits where inhparent = 'users'::regclass"):
            state = await read_sync_state(connection, JOB, oid)
            assert state is not None
            assert state.complete
    run_sql(
        users,
        "create table users_3 partition of users for values in (3)",
        "create table users_4 (username text, handle text, id bigint, day int, email text)",
        "alter table users attach partition users_4 for values in (4)",
        "alter table users detach partition users_2",
    )
    write(users, "insert into users select 100 + i, 'new' || i, 'e', null, i from unnest(array[1, 3, 4]) i")
    write(
        users,
        "update users set day = 3, handle = null where id = 101",
        "update users set day = 4 where id = 2 or id = 1",
    )
    assert users.query("select count(*), count(handle) from users") == [(28, 28)]
    assert {(table, enabled) for _, table, enabled in users.query(TRIGGERS)} == {
        (name, "A") for name in ("users", "users_1", "users_3", "users_4")
    }
    assert await remove(users)
    assert users.query(TRIGGERS) == []
    write(users, "insert into users values (200, 'late', 'e', null, 1)")
    assert users.query("select handle from users where id = 200") == [(None,)]


async def test_children_have_it_from_the_run_that_finds_them_on(users: Database):
    run_sql(users, "create table users_old () inherits (users)", "insert into users_old values (500, 'old', 'e')")
    assert (await run(users.dsn, job_file(sync="trigger")))[0].state == "done"
    run_sql(users, "create table users_new () inherits (users)", "insert into users_new values (600, 'first', 'e')")
    ended, events = await run(users.dsn, job_file(sync="trigger"))
    assert ended.state == "done"
    assert len([event for event in events if isinstance(event, SyncTriggerMade)]) == 1
    run_sql(users, *(f"insert into {table} values (700, 'x', 'e')" for table in ("users_old", "users_new")))
    assert users.query("select count(*) from users where handle is null") == [(0,)]
    assert await remove(users)
    assert users.query(TRIGGERS) == users.query("select '', '', '' where false")


async def test_what_is_there_is_left_as_it_is_and_what_is_missing_is_made(users: Database):
    """A worker that was killed goes on at the next step; whatever somebody has done to the trigger is made good."""
    oids = "select oid from pg_trigger where tgname like '%%backfill%%'"
    async with installed(users) as worker:
        events: list[Event] = []
        before = users.query(oids)
        await install(worker, events)
        assert (events, users.query(oids)) == ([], before)
        for accident in (
            'drop trigger "zzz_backfill_users-handle" on users',
            'alter table users disable trigger "zzz_backfill_users-handle"',
            'alter table users enable trigger "zzz_backfill_users-handle"',
            'create or replace function backfill."sync_users-handle"() returns trigger language plpgsql as $$ begin return new; end $$',
            'drop function backfill."sync_users-handle" cascade',
            "create trigger zzzz before update on users for each row execute function suppress_redundant_updates_trigger()",
            "drop trigger zzzz on users",
            "update backfill.job set sync_trigger = null",
        ):
            run_sql(users, accident)
            await install(worker, events)
            write(users, "update users set handle = null where id = 1")
            assert users.query("select handle from users where id = 1") == [("user1",)], accident
        assert len([event for event in events if isinstance(event, SyncTriggerMade)]) == 8
        run_sql(
            users,
            "create trigger ä before insert on users for each row execute function suppress_redundant_updates_trigger()",
        )
        with pytest.raises(
            JobError, match=r"job.yaml:\d+:\d+: trigger 'ä' on 'public.users' fires after ours, whatever"
        ):
            await install(worker)


async def test_a_job_that_is_started_anew_with_another_set_has_another_trigger(users: Database):
    await run(users.dsn, job_file(sync="trigger"))
    async with session(users.dsn, job_file(sync="trigger", set={"handle": "upper(username)"}), restart=True) as worker:
        await worker.begin()
        await install(worker)
    write(users, "insert into users values (201, 'ann', 'e')")
    assert users.query("select handle from users where id = 201") == [("ANN",)]


async def test_a_removed_trigger_does_nothing_at_once_and_leaves_nothing(users: Database):
    """A reader keeps it from being dropped for a while; what is written meanwhile is written as it is."""
    await run(users.dsn, job_file(sync="trigger"))
    events: list[Event] = []
    with psycopg.connect(users.dsn) as reader:
        reader.execute("select from users limit 1")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(remove, users, events)
            while users.query(  # noqa: ASYNC110 - the server tells nobody
                "select prosrc like '%%current_setting%%' from pg_proc where proname = 'sync_users-handle'"
            ) != [(False,)]:
                await anyio.sleep(0.01)
            write(users, "insert into users values (201, 'ann', 'e')")
            assert users.query("select handle from users where id = 201") == [(None,)]
            reader.rollback()
    assert [event for event in events if isinstance(event, SyncTriggerRemoved)] == [SyncTriggerRemoved(JOB, TRIGGER)]
    assert (users.query(TRIGGERS), users.query(LEFT_BEHIND)) == ([], [(0,)])
    async with connected(users.dsn, job_file(sync="trigger")) as connection:
        assert await find_sync_trigger(connection, JOB) is None
    assert not await remove(users)


async def test_a_job_that_is_forgotten_has_no_trigger(users: Database):
    """Who may not drop it forgets nothing."""
    await run(users.dsn, job_file(sync="trigger"))
    run_sql(
        users,
        "drop role if exists operator",
        "create role operator login",
        "grant usage on schema backfill to operator",
        "grant select on all tables in schema backfill to operator",
        "grant delete on backfill.job to operator",
    )
    events: list[Event] = []
    try:
        with pytest.raises(Halted, match=f"the trigger of job '{JOB}' cannot be dropped: permission denied"):
            await forget_with_trigger(users.dsn_for("operator"), JOB, events.append)
        assert users.query("select count(*) from backfill.job") == [(1,)]
        await forget_with_trigger(users.dsn, JOB, events.append)
    finally:
        run_sql(users, "drop owned by operator", "drop role operator")
    assert (users.query(TRIGGERS), users.query(LEFT_BEHIND)) == ([], [(0,)])
    assert users.query("select count(*) from backfill.job") == [(0,)]
    assert SyncTriggerRemoved(JOB, TRIGGER) in events


async def test_a_job_that_its_first_batch_refuses_leaves_no_trigger(users: Database):
    with pytest.raises(JobError, match="'where' stays true for every row"):
        await run(users.dsn, job_file(sync="trigger", where="id > 0"))
    assert users.query(TRIGGERS) == []
    assert users.query("select to_regnamespace('backfill')") == [(None,)]


async def test_status_lists_the_trigger(users: Database):
    await run(users.dsn, job_file(sync="trigger"))
    assert [status.sync_trigger for status in await read_status(users.dsn, None)] == [TRIGGER]
    run_sql(users, f'alter table users disable trigger "{TRIGGER}"')
    assert [status.sync_trigger for status in await read_status(users.dsn, None)] == [f"{TRIGGER} (disabled)"]
    run_sql(users, f'drop trigger "{TRIGGER}" on users')
    assert [status.sync_trigger for status in await read_status(users.dsn, None)] == [f"{TRIGGER} (missing)"]
    await remove(users)
    assert [status.sync_trigger for status in await read_status(users.dsn, None)] == [None]
