"""What `finish` refuses: one sentence with what to do, the right exit code, and a catalog in which nothing has changed."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from backfill.events.ddl import DdlDone
from backfill.events.event import Event
from backfill.events.sync import SyncTriggerRemoved
from backfill.postgres.change import finish as finish_module
from backfill.postgres.session.connection import connect
from backfill.postgres.state.locks import try_lock
from backfill.values.errors import BackfillError, Halted, JobError, LockHeld
from backfill.values.identifier import quote
from tests.fixtures_postgres import Database
from tests.integration.change.finishing import (
    HANDLE_KEY,
    PARTITIONED,
    PLAIN,
    catalog,
    fill,
    finish,
    finish_job,
    make_table,
)
from tests.integration.jobs import job_file, run_sql

pytestmark = pytest.mark.anyio


@pytest.fixture
def users(shared: Database) -> Database:
    make_table(shared, *PLAIN)
    return shared


@asynccontextmanager
async def unchanged(database: Database, kind: type[BackfillError], said: str, lines: int = 1) -> AsyncIterator[None]:
    """Expect an error with these words, and the catalog as it was."""
    before = catalog(database)
    with pytest.raises(kind, match=re.escape(said)) as raised:
        yield
    assert catalog(database) == before
    assert len(str(raised.value).splitlines()) == lines


NOT_NULL: dict[str, Any] = {"not_null": ["handle"]}
UNIQUE: dict[str, Any] = {"indexes": [HANDLE_KEY]}
REFUSED: list[tuple[str, str, dict[str, Any], type[BackfillError], str]] = [
    (
        "update users set handle = null where id = 7",
        "update users set handle = username",
        NOT_NULL,
        Halted,
        "column 'handle' is NULL in 1 row of public.users, such as {\"id\": 7}; fill them, and make the",
    ),
    (
        "update users set handle = 'user7' where id in (8, 9)",
        "update users set handle = username",
        UNIQUE,
        Halted,
        'a unique index on (handle) cannot be built, these keys occur more than once: {"handle": "user7"} in 3 rows;',
    ),
    (
        "create table users_handle_key (id int)",
        "drop table users_handle_key",
        UNIQUE,
        JobError,
        "job.yaml:5:22: the name 'users_handle_key' is taken by a table; rename that,",
    ),
    (
        "create table taken (id int constraint users_handle_key unique)",
        "drop table taken",
        UNIQUE,
        JobError,
        "the name 'users_handle_key' is taken by an index of table 'public.taken'; rename that,",
    ),
    (
        "create index users_handle_key on users (username)",
        "drop index users_handle_key",
        UNIQUE,
        JobError,
        "is taken by another index: CREATE INDEX users_handle_key ON public.users USING btree (username); rename",
    ),
    (
        "alter table users add constraint users_handle_not_null check (id > 0)",
        "alter table users drop constraint users_handle_not_null",
        NOT_NULL,
        JobError,
        "the name 'users_handle_not_null' is taken by another constraint, CHECK ((id > 0)); rename it",
    ),
    (
        "create table users_child () inherits (users)",
        "drop table users_child",
        UNIQUE,
        JobError,
        "table 'public.users' has children by inheritance, and an index covers one table alone;",
    ),
    (
        "select",
        "select",
        {"not_null": ["hande"]},
        JobError,
        "job.yaml:5:24: table 'public.users' has no column 'hande'; did you mean 'handle'?",
    ),
    (
        "select",
        "select",
        {"indexes": [{"columns": ["id", "x"]}]},
        JobError,
        "job.yaml:5:42: table 'public.users' has no",
    ),
    (
        "update backfill.job set state = 'stopped'",
        "update backfill.job set state = 'done'",
        NOT_NULL,
        Halted,
        "job 'users-handle' is stopped, and finish needs one that is done and proven; run: backfill run job.yaml",
    ),
    (
        "create table kept as select job, leaf, lane, proof from backfill.checkpoint; update backfill.checkpoint set proof = null",
        "update backfill.checkpoint c set proof = k.proof from kept k where k.leaf = c.leaf; drop table kept",
        NOT_NULL,
        Halted,
        "table public.users is not proven for job 'users-handle'; run: backfill run job.yaml",
    ),
    (
        "update backfill.job set finish = '[]'",
        "update backfill.job set finish = '{}'",
        NOT_NULL,
        Halted,
        "finish is '[]', not an object",
    ),
    ("select", "select", {}, JobError, "the job file has no 'finish'"),
]
"""What is done to the database, how it is undone, the end that is wanted, and the refusal."""


async def test_what_cannot_be_finished_is_refused_before_anything_is_changed(users: Database):
    await fill(users, finish_job())
    run_sql(
        users, "alter table backfill.checkpoint drop constraint checkpoint_job_fkey"
    )  # so that a job can be renamed
    for statement, undo, ends, kind, said in REFUSED:
        run_sql(users, statement)
        async with unchanged(users, kind, said):
            await finish(users, finish_job(**ends))
        run_sql(users, undo)
    async with unchanged(users, JobError, "job 'another' never ran in this database; run it first: backfill run"):
        await finish(users, job_file(name="another", finish=NOT_NULL))
    assert (await finish(users, finish_job(**NOT_NULL, **UNIQUE)))[0]


async def test_without_a_state_there_is_no_job_to_finish(users: Database):
    async with unchanged(users, JobError, "job 'users-handle' never ran in this database"):
        await finish(users, finish_job(not_null=["handle"]))


async def test_a_job_that_was_started_with_another_file_is_refused(users: Database):
    await fill(users, finish_job(not_null=["handle"]))
    async with unchanged(users, JobError, "job 'users-handle' was started with another file\n- set.handle: ", lines=4):
        await finish(users, job_file(set={"handle": "lower(username)"}, finish={"not_null": ["handle"]}))


async def test_a_unique_index_of_partitions_needs_the_partition_key(users: Database):
    make_table(users, *PARTITIONED)
    job = finish_job(indexes=[HANDLE_KEY])
    await fill(users, job)
    async with unchanged(users, JobError, "needs all columns of the partition keys, and this one lacks id; add them"):
        await finish(users, job)


async def test_a_job_that_runs_now_is_left_alone(users: Database, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(finish_module, "LOCK_TRIES", 2)
    monkeypatch.setattr(finish_module, "LOCK_EVERY_S", 0.0)
    job = finish_job(not_null=["handle"])
    await fill(users, job)
    async with await connect(users.dsn, application_name="backfill:users-handle") as worker:
        assert await try_lock(worker, "users-handle", "public.users") is None
        async with unchanged(users, LockHeld, "job 'users-handle' is locked by backfill:users-handle (pid "):
            await finish(users, job)


async def test_a_role_that_is_not_the_owner_gets_the_smallest_grants_that_help(users: Database):
    job = finish_job(not_null=["handle"], indexes=[HANDLE_KEY])
    await fill(users, job)
    role, owner = quote(f"other_{users.name}"), quote(f"owner_{users.name}")
    run_sql(users, f"create role {role} login", f"create role {owner}")
    try:
        dsn = users.dsn_for(f"other_{users.name}")
        said = (
            f"run: GRANT USAGE ON SCHEMA backfill TO {role}; GRANT SELECT ON backfill.version TO {role};"
            f" GRANT SELECT, UPDATE ON backfill.job TO {role};"
        )
        grants = []
        async with unchanged(users, Halted, f"role 'other_{users.name}' may not record what finish does; run: GRANT"):
            try:
                await finish(users, job, dsn)
            except Halted as error:
                grants = [f"{grant};" for grant in str(error).partition("run: ")[2].split(";") if grant.strip()]
                raise
        assert f"GRANT USAGE ON SCHEMA backfill TO {role};" in grants, said
        assert f" GRANT SELECT, UPDATE ON backfill.job TO {role};" in grants
        assert not [grant for grant in grants if "DELETE" in grant or "ALL" in grant]
        run_sql(users, *grants)
        async with unchanged(
            users, JobError, "belongs to role 'postgres', and only its owner may change it; run finish as a superuser"
        ):
            await finish(users, job, dsn)
        run_sql(users, f"alter table users owner to {owner}")
        grant = f"GRANT {owner} TO {role};"
        async with unchanged(users, JobError, f"run finish as role 'owner_{users.name}', or: {grant}"):
            await finish(users, job, dsn)
        run_sql(users, grant)
        create = f"GRANT CREATE ON SCHEMA public TO {role};"
        async with unchanged(users, JobError, f"may not create an index in schema public; run: {create}"):
            await finish(users, job, dsn)
        run_sql(users, create)
        done, _ = await finish(users, job, dsn)
        assert len(done) == 2
    finally:
        run_sql(
            users,
            f"reassign owned by {owner}, {role} to postgres",
            f"drop owned by {owner}, {role}",
            f"drop role {owner}, {role}",
        )


async def test_a_trigger_is_removed_last_and_by_a_role_that_may(users: Database):
    job = job_file(sync="trigger", finish={"not_null": ["handle"]})
    await fill(users, job)
    role = quote(f"other_{users.name}")
    run_sql(users, f"create role {role} login", 'alter function backfill."sync_users-handle" owner to postgres')
    run_sql(users, f"alter table users owner to {role}", f"grant usage on schema backfill to {role}")
    run_sql(users, f"grant select, insert, update on all tables in schema backfill to {role}")
    try:
        async with unchanged(users, JobError, "the trigger's function belongs to role 'postgres'; run finish as that"):
            await finish(users, job, users.dsn_for(f"other_{users.name}"))
        run_sql(users, "alter table users owner to postgres")
        done, events = await finish(users, job)
        assert done == ("not_null handle", "sync_trigger removed")
        assert isinstance(events[-1], SyncTriggerRemoved)
        assert not [row for row in catalog(users) if row[0] in ("trigger", "function")]
        assert await finish(users, job) == ((), [])
    finally:
        run_sql(users, f"drop owned by {role}", f"drop role {role}")


async def test_a_partition_that_is_attached_while_it_works_keeps_the_trigger(shared: Database):
    """What a trigger is copied to there is an unfilled row to which nobody has asked `where` yet."""
    make_table(shared, *PARTITIONED)
    job = job_file(sync="trigger", finish={"indexes": [{"columns": ["handle"]}]})
    await fill(shared, job)

    class Attaching(list[Event]):
        def append(self, event: Event) -> None:
            if not self and isinstance(event, DdlDone):
                run_sql(
                    shared,
                    "create table users_3 (like users including defaults)",
                    "insert into users_3 values (1000, 'late')",
                    "alter table users attach partition users_3 for values from (1000) to (2000)",
                )
            super().append(event)

    with pytest.raises(Halted, match=re.escape("table public.users_3 is not proven for job 'users-handle'; run: ")):
        await finish(shared, job, events=Attaching())
    assert [row for row in catalog(shared) if row[0] == "trigger" and row[1] == "users_3"]
    await fill(shared, job)
    done, _ = await finish(shared, job)
    assert done == ("sync_trigger removed",)
    assert shared.query("select count(*) from users where handle is null") == [(0,)]
