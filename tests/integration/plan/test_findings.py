"""Proves that a plan finds every fault of a bad database, stops at nothing in a healthy one, and writes nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import LiteralString

import psycopg
import pytest

from backfill.events.plan import Plan
from backfill.jobfile.load import JobFile
from backfill.postgres.plan.make import make_plan
from backfill.postgres.plan.read_facts import refuse_stops
from backfill.sandbox import Sandbox
from backfill.values.errors import PlanStops
from tests.fixtures_postgres import Database
from tests.integration.jobs import connected, create_database, drop_database, job_file, make_users, run, run_sql

pytestmark = pytest.mark.anyio

BAD_SERVER = {
    "autovacuum": "off",
    "archive_mode": "on",
    "archive_command": "false",
    "max_prepared_transactions": "5",
    "synchronous_standby_names": "nobody",
    "synchronous_commit": "off",
    "wal_level": "logical",
}
NEXT_XID: LiteralString = "select pg_snapshot_xmax(pg_current_snapshot())::text"
BAD_TABLE = (
    "create table accounts (id bigint, name text not null)",
    "insert into accounts select i, 'name' || i from generate_series(1, 12000) i",
    "analyze accounts",
    "create table countries (code text primary key)",
    (
        "create table users (id bigint not null, account_id bigint, username text, email text, handle text unique)"
        " with (autovacuum_enabled = off)"
    ),
    (
        "insert into users select i, i, 'user' || i, case when i > 5 then 'e' || i else 'same' end from"
        " generate_series(1, 6000) i"
    ),
    "alter table users add foreign key (handle) references countries",
    "alter table users drop constraint users_handle_fkey",
    "insert into countries select 'u' || i from generate_series(1, 6000) i",
    "alter table users add constraint users_country foreign key (handle) references countries deferrable",
    "create table orders (handle text references users (handle))",
    "alter table users add constraint users_handle_set check (handle is not null) not valid",
    "create function touch() returns trigger language plpgsql as $$begin return new; end$$",
    "create trigger touch before update on users for each row execute function touch()",
    "create trigger audit after update on users for each row execute function touch()",
    "alter table users replica identity full",
    "create publication warehouse for table users",
    "create subscription from_old connection 'host=nowhere' publication p with (connect = false, slot_name = none)",
    (
        "set allow_system_table_mods = on; insert into pg_subscription_rel (srsubid, srrelid, srsubstate)"
        " select s.oid, 'users'::regclass, 'r' from pg_subscription s"
    ),
    "delete from users where id > 4000",
    "select pg_create_physical_replication_slot('nobody', true)",
    "create role planner login",
    "grant pg_monitor to planner",
    "grant select on all tables in schema public to planner",
    "grant update (handle) on users to planner",
    "alter role planner set enable_tidscan = off",
)
PLANTED = {
    *("where", "state-schema", "prediction", "volatile", "read-whole", "several-partners", "role-settings"),
    *("key", "statistics", "bloat", "not-valid-constraint", "invalid-index", "indexed-target"),
    *("before-trigger", "after-trigger", "foreign-key", "referenced", "publication", "subscription"),
    *("replica-identity", "replica-none", "replica-missing", "replica-synchronous", "slot-inactive", "archiver"),
    *("autovacuum", "autovacuum-table", "vacuum-right", "prepared-transaction"),
}


@pytest.fixture(scope="module")
def bad() -> Iterator[Database]:
    """A database with whatever makes a backfill go wrong, on a server that is set up as badly."""
    with Sandbox() as sandbox:
        server = sandbox.primary(settings=BAD_SERVER)
        database = create_database(server)
        run_sql(database, *BAD_TABLE)
        with psycopg.connect(database.dsn, autocommit=True) as connection:
            with pytest.raises(psycopg.errors.UniqueViolation):
                connection.execute("create unique index concurrently users_email on users (email)")
            connection.execute("begin")
            connection.execute("update accounts set name = 'x' where id = 1")
            connection.execute("prepare transaction 'forgotten'")
        server.query("select pg_switch_wal()")
        deadline_s = time.monotonic() + 20
        while server.query("select failed_count > 0 from pg_stat_archiver") != [(True,)]:
            assert time.monotonic() < deadline_s
        yield database
        run_sql(database, "rollback prepared 'forgotten'", "drop subscription from_old")
        drop_database(database)


def names(plan: Plan) -> set[str]:
    return {finding.name for finding in plan.findings if finding.level != "ok"}


async def judged(database: Database, job: JobFile, *forced: str) -> None:
    """Judge as a run does before it begins."""
    async with connected(database.dsn, job) as connection:
        await refuse_stops(connection, job.job, forced)


async def test_every_planted_fault_is_found_and_a_run_is_refused_on_a_stop_unless_it_is_forced(bad: Database):
    job = job_file(
        set={"handle": "accounts.name || random()"},
        where="handle IS NULL",
        using={"table": "public.accounts", "on": "accounts.id = users.account_id"},
        throttle={"replicas": {"require": ["replica-z"]}},
    )
    plan = await make_plan(bad.dsn_for("planner"), job)
    assert len(PLANTED) >= 20
    assert names(plan) == PLANTED
    hurried = job_file(throttle={"max_slot_retained": "1MB"})
    with pytest.raises(PlanStops, match="job 'users-handle' must not run now: slot-inactive: slot nobody is inactive"):
        await judged(bad, hurried)
    await judged(bad, hurried, "slot-inactive")
    assert bad.query("select to_regnamespace('backfill')") == [(None,)]
    with psycopg.connect(bad.dsn, autocommit=True) as connection:
        connection.execute("begin")
        connection.execute("lock table users in access exclusive mode")
        connection.execute("prepare transaction 'blocking'")
    try:
        blocked = "prepared-transaction: prepared transaction 'blocking' of postgres is open .* and locks public.users"
        for refused in (judged(bad, job_file()), make_plan(bad.dsn, job_file())):
            with pytest.raises(PlanStops, match=blocked):
                await refused
    finally:
        run_sql(bad, "rollback prepared 'blocking'")


@pytest.mark.usefixtures("cluster")
async def test_a_healthy_database_has_no_stop_and_nothing_to_warn_of(shared: Database):
    run_sql(shared, "drop table if exists users", "drop schema if exists backfill cascade")
    make_users(shared, 2000, with_options="autovacuum_enabled = on")
    plan = await make_plan(shared.dsn, job_file())
    assert names(plan) == set()
    assert (await run(shared.dsn, job_file()))[0].state == "done"


async def test_a_plan_without_a_sample_takes_no_transaction_id_and_leaves_the_catalog_as_it_was(shared: Database):
    run_sql(shared, "drop table if exists users", "drop schema if exists backfill cascade")
    make_users(shared, 2000)
    catalog: LiteralString = (
        "select md5(string_agg((oid, relname, relfilenode, relacl, relchecks, relhastriggers, reloptions)::text, ','"
        " order by oid)), (select md5(string_agg(n::text, ',' order by n.oid)) from pg_namespace n) from pg_class"
    )
    before, taken = shared.query(catalog), []
    for _ in range(5):  # autovacuum takes some, too, but not each time
        xids = shared.query(NEXT_XID)
        planned = await make_plan(shared.dsn, job_file(sync="trigger"), measuring=False)
        taken.append(xids != shared.query(NEXT_XID))
        if not taken[-1]:
            break
    assert not all(taken)
    assert shared.query(catalog) == before
    assert [title for title, _ in planned.sql.statements if title.startswith("sync: the trigger")]
    await make_plan(shared.dsn, job_file())
    assert shared.query(catalog) == before, "what is measured is rolled back"


async def test_the_ddl_of_both_ends_is_printed_as_it_is_sent(shared: Database):
    run_sql(
        shared,
        "drop schema if exists backfill cascade",
        'drop table if exists "odd%%"',
        'create table "odd%%" (id bigint primary key, name text, "a%%b" text)',
    )
    job = job_file(
        table='public."odd%%"',
        set={'"a%%b"': "name"},
        where='"a%%b" IS NULL',
        sync="trigger",
        finish={"not_null": ['"a%%b"'], "indexes": [{"columns": ["name"]}]},
    )
    planned = await make_plan(shared.dsn, job, measuring=False)
    ends = {title: text for title, text in planned.sql.statements if title.startswith(("sync", "finish"))}
    assert len([title for title in ends if title.startswith("sync")]) >= 5
    assert len([title for title in ends if title.startswith("finish")]) >= 3
    assert all('"odd%%"' in text for title, text in ends.items() if title.startswith("finish: new rows"))
    assert any('NEW."a%%b"' in text for text in ends.values())
    assert shared.query("select to_regnamespace('backfill')") == [(None,)]
