"""Tables and columns that a job cannot use are refused in one sentence, with the GRANT or the name that helps."""

from __future__ import annotations

import re
from typing import Any

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from backfill.values.errors import JobError, StatementRefused
from backfill.values.identifier import quote
from tests.fixtures_postgres import Database
from tests.integration.catalog.reading import read, table_of
from tests.integration.jobs import run_sql

pytestmark = pytest.mark.anyio


ROLE = 'o\'neil "the" DBA'


async def refusal(database: Database, *, user: str = "postgres", **keys: Any) -> str:
    with pytest.raises(JobError) as caught:
        await read(database, user=user, **keys)
    return str(caught.value)


RELATIONS = {
    "view": ("create view {0} as select 1 as id, '' as username, '' as handle", "is a view"),
    "matview": (
        "create materialized view {0} as select 1 as id, '' as username, '' as handle",
        "is a materialized view",
    ),
    "sequence": ("create sequence {0}", "is a sequence"),
    "type": ("create type {0} as (id int, username text, handle text)", "is a composite type"),
    "index": ("create table {1} (id int); create index users on {1} (id)", "is an index"),
    "partitioned index": (
        "create table {1} (id int) partition by hash (id); create index users on {1} (id)",
        "is a partitioned index",
    ),
    "file_fdw": (
        """
        create extension if not exists file_fdw;
        create server files{2} foreign data wrapper file_fdw;
        create foreign table {0} (id int, username text, handle text) server files{2} options (filename '/none')
        """,
        "is a foreign table",
    ),
}


@pytest.mark.parametrize("kind", RELATIONS)
async def test_only_ordinary_tables_can_be_filled(shared: Database, schema: str, kind: str):
    statements, why = RELATIONS[kind]
    if kind == "file_fdw" and not shared.query("select 1 from pg_available_extensions where name = 'file_fdw'"):
        pytest.skip("this server comes without file_fdw")
    name = table_of(schema)
    for one in statements.split(";"):
        run_sql(shared, one.format(name, table_of(schema, "other"), schema[2:]))
    said = await refusal(shared, table=name)
    assert said == f"job.yaml:2:9: table '{name}' {why}; only ordinary tables can be filled"


@pytest.mark.parametrize("name", ["pg_catalog.pg_class", "information_schema.sql_features", "backfill.job"])
async def test_tables_of_the_system_and_our_own_are_refused(shared: Database, name: str):
    run_sql(shared, "create schema if not exists backfill", "create table if not exists backfill.job (handle text)")
    assert await refusal(shared, table=name) == f"job.yaml:2:9: table '{name}' belongs to the system"


async def test_a_temporary_table_is_refused(shared: Database):
    with psycopg.connect(shared.dsn, autocommit=True) as connection:
        connection.execute("create temporary table users_here (id int, username text, handle text)")
        row = connection.execute(
            "select nspname from pg_class c join pg_namespace n on n.oid = relnamespace where relname = 'users_here'"
        ).fetchone()
        assert row is not None
        said = await refusal(shared, table=f"{row[0]}.users_here")
    assert said == f"job.yaml:2:9: table '{row[0]}.users_here' is temporary: no other session can see it"


async def test_a_table_of_another_access_method_is_refused(shared: Database, schema: str):
    """One that is heap under another name stands for those that are not."""
    method = f"method{schema[2:]}"
    run_sql(
        shared,
        f"create access method {method} type table handler heap_tableam_handler",
        f"create table {table_of(schema)} (username text, handle text) using {method}",
    )
    said = await refusal(shared, table=table_of(schema))
    assert f"has access method '{method}'; only heap tables" in said


async def test_a_missing_table_names_the_one_that_was_meant(shared: Database, schema: str):
    run_sql(shared, f"create table {table_of(schema, 'Customers')} (username text, handle text)")
    missing = f"in database '{shared.name}'"
    said = await refusal(shared, table=table_of(schema, "Custmers"))
    assert said == (
        f"job.yaml:2:9: table '{table_of(schema, 'Custmers')}' does not exist {missing};"
        f" did you mean '{table_of(schema, 'Customers')}'?"
    )
    said = await refusal(shared, table='"Customers"')
    assert said.endswith(
        f"table 'public.\"Customers\"' does not exist {missing}; did you mean '{table_of(schema, 'Customers')}'?"
    )
    said = await refusal(shared, table="nothing_like_it.zzz")
    assert said == f"job.yaml:2:9: table 'nothing_like_it.zzz' does not exist {missing}"


async def test_a_missing_column_names_the_one_that_was_meant(shared: Database, schema: str):
    name = table_of(schema)
    run_sql(shared, f"create table {name} (id int, username text, handle text)")
    said = await refusal(shared, table=name, set={"id": "1", "hanle": "username"})
    assert said == f"job.yaml:3:19: table '{name}' has no column 'hanle'; did you mean 'handle'?"
    said = await refusal(shared, table=name, set={"zzz": "username"})
    assert said == f"job.yaml:3:8: table '{name}' has no column 'zzz'; it has id, username, handle"
    said = await refusal(shared, table=name, set={"ctid": "username"})
    assert said.startswith(f"job.yaml:3:8: table '{name}' has no column 'ctid'")


@pytest.mark.parametrize("kind", ["(length(username)) stored", "identity"])
async def test_a_column_that_the_server_fills_cannot_be_set(shared: Database, schema: str, kind: str):
    name = table_of(schema)
    run_sql(shared, f"create table {name} (id int, username text, handle int generated always as {kind})")
    said = await refusal(shared, table=name)
    assert said == "job.yaml:3:8: column 'handle' is generated by the server and cannot be set"


async def test_each_missing_right_is_reported_with_the_grant_that_fixes_it(shared: Database, schema: str):
    name = table_of(schema)
    run_sql(
        shared,
        f"create role {quote(ROLE)} login",
        f'create table {name} (id int primary key, username text, "Handle" text, other text)',
        f"insert into {name} values (1, 'a')",
    )
    keys = {"table": name, "set": {'"Handle"': "username", "other": "NULL"}, "where": '"Handle" IS NULL'}
    said = []
    try:
        while True:
            try:
                await read(shared, user=ROLE, **keys)
                break
            except JobError as error:
                said.append(str(error))
                assert re.match(r"job\.yaml:\d+:\d+: ", said[-1])
                run_sql(shared, said[-1].partition("run: ")[2])
            assert len(said) < 9, said
        assert [one.partition("run: ")[0] for one in said] == [
            f"job.yaml:2:9: table '{name}' is out of reach; ",
            f"job.yaml:2:9: table '{name}' cannot be read by role {ROLE!r}; ",
        ]
        run_sql(shared, f"revoke update on {name} from {quote(ROLE)}")
        said = [await refusal(shared, user=ROLE, **keys)]
        run_sql(shared, said[-1].partition("run: ")[2])
        said.append(await refusal(shared, user=ROLE, **keys))
        run_sql(shared, said[-1].partition("run: ")[2])
        await read(shared, user=ROLE, **keys)
        assert said[0].startswith(f"job.yaml:3:8: column 'Handle' may not be updated by role {ROLE!r}; run: GRANT")
        assert said[1].startswith(f"job.yaml:3:34: column 'other' may not be updated by role {ROLE!r}; run: GRANT")
    finally:
        run_sql(shared, f"drop owned by {quote(ROLE)}", f"drop role {quote(ROLE)}")


async def test_row_security_that_hides_rows_is_refused_until_the_role_may_pass_it(shared: Database, schema: str):
    name = table_of(schema)
    run_sql(
        shared,
        f"create role {quote(ROLE)} login",
        f"create table {name} (id int primary key, username text, handle text)",
        f"alter table {name} enable row level security",
        f"create policy a_few on {name} using (id > 1)",
        f"grant usage on schema {quote(schema)} to {quote(ROLE)}",
        f"grant select, update on {name} to {quote(ROLE)}",
    )
    try:
        assert (await read(shared, table=name)).key == ("id",)
        said = await refusal(shared, user=ROLE, table=name)
        assert said.startswith(f"job.yaml:2:9: table '{name}' has row security that hides rows from role {ROLE!r}")
        run_sql(shared, said.partition("run: ")[2])
        await read(shared, user=ROLE, table=name)
    finally:
        run_sql(shared, f"drop owned by {quote(ROLE)}", f"drop role {quote(ROLE)}")


async def test_a_table_that_is_locked_is_not_waited_for_for_ever(shared: Database, schema: str):
    """Its size is read under a lock, however light."""
    name = table_of(schema)
    run_sql(shared, f"create table {name} (id int, username text, handle text)")
    with psycopg.connect(shared.dsn) as other:
        other.execute(SQL("lock table {}").format(Identifier(schema, "users")))
        with pytest.raises(StatementRefused) as caught:
            await read(shared, table=name, lock_timeout="100ms")
    assert caught.value.sqlstate == "55P03"
