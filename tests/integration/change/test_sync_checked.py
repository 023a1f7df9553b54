"""What cannot stand in a trigger, or could hurt who writes, is refused by name before anything is touched."""

from __future__ import annotations

import re
from typing import Any

import pytest

from backfill.values.errors import JobError
from tests.fixtures_postgres import Database
from tests.integration.jobs import function_job, job_file, run, run_sql, session

pytestmark = pytest.mark.anyio


@pytest.fixture
def users(shared: Database) -> Database:
    """An empty table users, and no state schema."""
    run_sql(
        shared,
        "drop table if exists users, accounts cascade",
        "drop schema if exists backfill cascade",
        "create table users (id bigint primary key, username text, handle text, twice text generated always as (username"
        " || username) stored)",
        "create table accounts (id bigint primary key, name text)",
        "drop function if exists reads_users",
        "create function reads_users(text) returns text language sql stable as 'select max(username) from public.users'",
    )
    return shared


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "default": ({"set": {"handle": "DEFAULT"}}, "DEFAULT cannot stand in the trigger of 'sync: trigger'"),
    "generated column": ({"set": {"handle": "upper(twice)"}}, 'column "twice" does not exist.*none that is generated'),
    "system column": ({"where": "handle IS NULL AND xmin::text <> '0'"}, 'column "xmin" does not exist'),
    "own rows": (
        {"set": {"handle": "(SELECT max(o.username) FROM users o)"}, "accept": ["own-table"]},
        "'set' reads other rows of the table",
    ),
    "own rows by a function": (
        {"set": {"handle": "reads_users(username)"}, "accept": ["own-table"]},
        "function 'reads_users' in 'set' names the table",
    ),
    "one value": (
        {"set": {"handle": "(SELECT gen_random_uuid()::text)"}, "accept": ["one-value"]},
        "'gen_random_uuid' in a sub-select that an UPDATE evaluates once",
    ),
    "volatile condition": ({"where": "handle IS NULL AND random() < 2"}, "'where' calls volatile function 'random'"),
    "the session's user": ({"set": {"handle": "current_user"}}, "'current_user' in 'set' is of the session"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_cannot_stand_in_a_trigger_is_named(users: Database, case: str):
    keys, said = REFUSED[case]
    with pytest.raises(JobError, match=rf"^job.yaml:\d+:\d+: .*{said}"):
        await run(users.dsn, job_file(sync="trigger", **keys))
    assert users.query("select to_regnamespace('backfill')") == [(None,)]


CONSTRAINTS = {
    "alter table users add constraint plain check (handle <> 'x')": "constraint 'plain' on 'public.users'",
    "alter table users add constraint one unique (handle)": "constraint 'one' on 'public.users'",
    "create unique index one on users (lower(handle))": "index 'one' on 'public.users'",
    "alter table users add thrice text generated always as (handle || handle) stored": "generated column 'thrice'",
    "alter table accounts add unique (name); alter table users add constraint there foreign key (handle) references"
    " accounts (name)": "constraint 'there' on 'public.users'",
    "create policy seen on users with check (handle is null)": "policy 'seen' on 'public.users'",
}


@pytest.mark.parametrize("made", CONSTRAINTS)
async def test_what_may_refuse_a_value_of_the_trigger_is_named_and_may_be_accepted(users: Database, made: str):
    run_sql(users, made)
    said = re.escape(CONSTRAINTS[made]) + ".* 'handle' to, and then the application's write fails;.*trigger-constraints"
    with pytest.raises(JobError, match=rf"^job.yaml:\d+:\d+: {said}"):
        await run(users.dsn, job_file(sync="trigger"))
    async with session(users.dsn, job_file(sync="trigger", accept=["trigger-constraints"])):
        pass


async def test_that_a_column_must_have_a_value_is_seen_to_by_the_trigger(users: Database):
    """What `finish` has begun does not keep the job from another run; the application's own value stays, and no NULL."""
    run_sql(users, "alter table users add constraint there check (handle is not null) not valid")
    ended, _ = await run(users.dsn, job_file(sync="trigger", where="handle = 'new'"))
    assert ended.state == "done"
    run_sql(users, "insert into users values (1, null, 'new'), (2, 'two', 'new')")
    assert users.query("select handle from users order by id") == [("new",), ("two",)]


async def test_a_row_function_has_no_trigger(users: Database, tmp_path: Any):
    job = function_job(tmp_path, "def f(username): return username", sync="trigger")
    with pytest.raises(JobError, match="a row function cannot run in the trigger"):
        await run(users.dsn, job)


async def test_each_missing_right_is_named_with_the_grant(users: Database):
    """The worker needs to own the table and may create in the state schema; the language is open to all by default."""
    job, worker = job_file(sync="trigger"), users.worker
    run_sql(users, "drop role if exists holder", "create role holder", "alter table users owner to holder")
    try:
        with pytest.raises(JobError, match=rf"does not own 'public.users'.*run: GRANT holder TO {worker};$"):
            await run(users.worker_dsn, job)
        run_sql(
            users, f"grant holder to {worker}", "create schema backfill", f"grant usage on schema backfill to {worker}"
        )
        with pytest.raises(JobError, match=rf"run: GRANT CREATE ON SCHEMA backfill TO {worker};$"):
            await run(users.worker_dsn, job)
        run_sql(users, f"grant create on schema backfill to {worker}", "revoke usage on language plpgsql from public")
        with pytest.raises(JobError, match=rf"run: GRANT USAGE ON LANGUAGE plpgsql TO {worker};$"):
            await run(users.worker_dsn, job)
        run_sql(users, f"grant usage on language plpgsql to {worker}")
        assert (await run(users.worker_dsn, job))[0].state == "done"
    finally:
        run_sql(
            users,
            "grant usage on language plpgsql to public",
            f"revoke usage on language plpgsql from {worker}",
            "alter table users owner to postgres",
            "drop schema backfill cascade",
            "drop role holder",
        )
