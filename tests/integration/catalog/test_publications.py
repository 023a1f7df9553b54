"""A table that is published in a way that makes the server refuse its updates is named before anything is touched."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from backfill.jobfile.load import JobFile
from backfill.postgres.plan.make import make_plan
from backfill.sandbox import Server
from backfill.values.errors import JobError
from tests.fixtures_postgres import Database
from tests.integration.jobs import create_database, drop_database, job_file, run, run_sql

pytestmark = [pytest.mark.anyio, pytest.mark.majors(14, 18), pytest.mark.filterwarnings("ignore")]

PLAIN = "create table t (id int, tenant int not null, username text, handle text)"
PARTS = (
    "create table t (id int, tenant int not null, username text, handle text) partition by list (tenant)",
    "create table t1 partition of t for values in (1)",
    "create table t2 partition of t for values in (2)",
    "create table t3 partition of t for values in (3)",
)
ROWS = "insert into t select i, 1 + i % 3, 'user' || i from generate_series(1, 90) i"
NO_IDENTITY = (
    "does not have a replica identity and publishes updates; add a primary key, or run: ALTER TABLE {} REPLICA"
)
CASES: dict[str, tuple[int, tuple[str, ...], str]] = {
    "no key": (14, (PLAIN, "create publication p for table t"), NO_IDENTITY.format("public.t")),
    "no key, all tables": (14, (PLAIN, "create publication p for all tables"), NO_IDENTITY.format("public.t")),
    "no key, schema": (15, (PLAIN, "create publication p for tables in schema public"), NO_IDENTITY.format("public.t")),
    "one partition": (14, (*PARTS, "create publication p for table t3"), NO_IDENTITY.format("public.t3")),
    "the parent": (14, (*PARTS, "create publication p for table t"), NO_IDENTITY.format("public.t1")),
    "a filter": (
        15,
        (PLAIN, "alter table t add primary key (id)", "create publication p for table t where (tenant = 3)"),
        "Column used in the publication WHERE expression is not part of the replica identity. Change the publication",
    ),
    "a column list": (
        15,
        (PLAIN, "alter table t add primary key (id)", "create publication p for table t (tenant, handle)"),
        "Column list used by the publication does not cover the replica identity. Change the publication",
    ),
    "a generated key": (
        18,
        (
            "create table t (username text, handle text, id text generated always as (username) stored not null unique)",
            "alter table t replica identity using index t_id_key",
            "insert into t (username) values ('a')",
            "create publication p for table t",
        ),
        "Replica identity must not contain unpublished generated columns. Change the publication",
    ),
}
FINE: dict[str, tuple[str, ...]] = {
    "a key": (PLAIN, "alter table t add primary key (id)", "create publication p for table t"),
    "the whole row": (PLAIN, "alter table t replica identity full", "create publication p for table t"),
    "inserts alone": (PLAIN, "create publication p for table t with (publish = 'insert')"),
    "another table": (PLAIN, "create table other (id int)", "create publication p for table other"),
}


@pytest.fixture
def empty(bare: Server) -> Iterator[Database]:
    """A database and its worker."""
    database = create_database(bare)
    yield database
    drop_database(database)


def job(**keys: Any) -> JobFile:
    return job_file(table="t", **keys)


@pytest.mark.parametrize("case", CASES)
async def test_a_publication_that_refuses_updates_is_named_for_its_leaf(empty: Database, major: int, case: str):
    since, statements, expected = CASES[case]
    if major < since:
        pytest.skip(f"PostgreSQL {since} and later")
    run_sql(empty, *statements)
    if since != 18:
        run_sql(empty, ROWS)
    for command in (make_plan(empty.worker_dsn, job()), run(empty.worker_dsn, job())):
        with pytest.raises(JobError) as caught:
            await command
        assert str(caught.value).startswith("job.yaml:2:9: table 'public.t")
        assert "cannot be updated while it is published by p: " in str(caught.value)
        assert expected in str(caught.value)
    assert empty.query("select to_regnamespace('backfill'), (select count(handle) from t)") == [(None, 0)]


@pytest.mark.parametrize("case", FINE)
async def test_a_publication_that_takes_updates_is_no_matter(empty: Database, case: str):
    run_sql(empty, *FINE[case], ROWS)
    await make_plan(empty.worker_dsn, job())
    finished, _ = await run(empty.worker_dsn, job())
    assert (finished.state, finished.rows_total) == ("done", 90)
