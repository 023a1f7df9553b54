"""`init --job` prints all that a job needs and nothing else: a fresh role runs it, and misses each GRANT that is taken away."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from backfill.events.job import Finished
from backfill.events.vacuum import VacuumNotPermitted
from backfill.jobfile.load import JobFile
from backfill.postgres.plan.job_grants import read_grants, script_of
from backfill.postgres.state.schema import init_script
from backfill.values.errors import BackfillError, JobError
from tests.fixtures_postgres import Database
from tests.integration.jobs import job_file, run, run_sql
from tests.roles import dismiss

pytestmark = pytest.mark.anyio

TABLES = (
    'drop schema if exists backfill, shop, "Of ours" cascade',
    'create schema shop; create schema "Of ours"',
    "create table shop.users (id bigint primary key, username text, account_id int, handle text, number bigint)",
    'create table "Of ours".accounts (id int primary key, nick text, "Secret" text)',
    "create table shop.names (name text, hidden text); insert into shop.names values ('x', 'y')",
    "create sequence shop.numbers; alter table shop.users alter number set default nextval('shop.numbers')",
    "create function shop.made(text) returns text language sql as 'select $1'",
    "revoke execute on function shop.made from public",
    "insert into \"Of ours\".accounts select i, 'nick' || i, 's' from generate_series(1, 100) i",
    "create table shop.parts (id int, username text, handle text) partition by range (id)",
    "create table shop.parts_1 partition of shop.parts for values from (1) to (50) partition by list (id)",
    "create table shop.parts_1_all partition of shop.parts_1 default",
    "create table shop.parts_2 partition of shop.parts for values from (50) to (200)",
)
JOBS: dict[str, dict[str, Any]] = {
    "joined": {
        "table": "shop.users",
        "set": {"handle": "nick || (SELECT name FROM shop.names)", "number": "DEFAULT"},
        "using": {"table": '"Of ours".accounts', "as": "a", "on": "a.id = users.account_id"},
        "where": "handle IS NULL",
    },
    "partitioned": {"table": "shop.parts", "set": {"handle": "shop.made(username)"}},
    "probed": {
        "table": "shop.users",
        "set": {"handle": "username"},
        "where": "handle IS NULL AND EXISTS (SELECT FROM shop.names)",
        "throttle": {"probes": [{"name": "queue", "sql": '(SELECT count(*) FROM "Of ours".accounts)', "max": 1000}]},
        "wal_compression": "on",
    },
}


@pytest.fixture
def fresh(shared: Database) -> Iterator[str]:
    role = f"Fresh {shared.name}"
    run_sql(
        shared,
        *TABLES,
        "insert into shop.users (id, username, account_id) select i, 'u' || i, i from generate_series(1, 100) i",
        "insert into shop.parts select i, 'u' || i from generate_series(1, 100) i",
        f"revoke connect on database {shared.name} from public",
        f'create role "{role}" login',
    )
    yield role
    dismiss(shared.dsn, role)


def job_of(name: str) -> JobFile:
    return job_file(**{"name": name, "throttle": {"max_wal_rate": "1GB/s"}} | JOBS[name])


def empty_again(database: Database) -> None:
    run_sql(database, "update shop.users set handle = null", "update shop.parts set handle = null")


async def ended(database: Database, role: str, job: JobFile) -> tuple[Finished, str]:
    """Run the job as the role; return how it ended, and what it said of vacuum."""
    finished, events = await run(database.dsn_for(user=role), job)
    return finished, "".join(event.why for event in events if isinstance(event, VacuumNotPermitted))


@pytest.mark.parametrize("name", JOBS)
async def test_what_is_printed_is_enough_and_each_grant_is_needed(shared: Database, fresh: str, name: str):
    job = job_of(name)
    grants = await read_grants(shared.dsn, job, fresh)
    with psycopg.connect(shared.dsn, autocommit=True) as dba:
        [(version,)] = dba.execute("select current_setting('server_version_num')::int").fetchall()
        dba.execute(init_script(fresh, grants=script_of(grants)).encode())
    finished, said = await ended(shared, fresh, job)
    assert (finished.state, finished.rows_total, said) == ("done", 100, "")
    assert not [
        grant for grant in grants if "Secret" in grant or "hidden" in grant or "GRANT SELECT ON shop.names" in grant
    ]
    for grant in grants:
        empty_again(shared)
        run_sql(shared, re.sub(" TO ([^;]*);$", r" FROM \1;", grant.replace("GRANT", "REVOKE", 1)))
        if "MAINTAIN" in grant:
            rights, what = re.fullmatch("GRANT (.*) ON (.*)", grant).groups()  # type: ignore[union-attr]
            run_sql(shared, f"GRANT {rights.replace(', MAINTAIN', '')} ON {what}")
            assert version >= 170_000
            assert f"run: GRANT MAINTAIN ON {what}" in (await ended(shared, fresh, job))[1]
            run_sql(shared, re.sub(" TO ([^;]*);$", r" FROM \1;", grant.replace("GRANT", "REVOKE", 1)))
        with pytest.raises(BackfillError) as caught:
            await ended(shared, fresh, job)
        assert f"; run: {grant.replace(', MAINTAIN', '')}" in str(caught.value), grant
        run_sql(shared, grant)
    empty_again(shared)
    assert (await ended(shared, fresh, job))[0].state == "done"


async def test_a_job_that_does_not_fit_the_database_is_refused(shared: Database, fresh: str):
    for keys, said in (
        ({"table": "shop.nothing"}, "table 'shop.nothing' does not exist"),
        ({"table": "shop.users", "where": "nothing IS NULL"}, 'column "nothing" does not exist; backfill plan shows'),
    ):
        with pytest.raises(JobError, match=said):
            await read_grants(shared.dsn, job_file(**keys), fresh)
    assert shared.query("select count(*) from pg_class where relname like 'backfill%%'") == [(0,)]
