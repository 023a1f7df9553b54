"""The table as the catalog tells it, and every reason why it cannot be one."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from backfill.postgres.catalog.table import read_table
from backfill.table.definition import Table, difference
from backfill.values.errors import JobError, StatementRefused
from backfill.values.identifier import TableName, quote
from tests.fixtures_postgres import Database
from tests.integration.jobs import connected, job_file, run_sql

pytestmark = pytest.mark.anyio

ROLE = 'o\'neil "the" DBA'


@pytest.fixture
def schema(shared: Database) -> Iterator[str]:
    """A schema of one test, named so that forgetting to quote it shows."""
    name = f"S.{secrets.token_hex(4)}"
    run_sql(shared, f"create schema {quote(name)}")
    yield name
    run_sql(shared, f"drop schema if exists {quote(name)} cascade")


def table_of(schema: str, name: str = "users") -> str:
    return str(TableName(schema, name))


async def read(database: Database, *, user: str = "postgres", **keys: Any) -> Table:
    job = job_file(**keys)
    async with connected(database.dsn_for(user), job) as connection:
        return await read_table(connection, job, user)


async def refusal(database: Database, *, user: str = "postgres", **keys: Any) -> str:
    with pytest.raises(JobError) as caught:
        await read(database, user=user, **keys)
    return str(caught.value)


async def test_a_table_as_it_is(shared: Database, schema: str):
    name = table_of(schema, 'T%."q"')
    run_sql(
        shared,
        f"create table {name} (id bigint, gone text, username text, handle varchar(63), tenant uuid,"
        " primary key (tenant, id))",
        f"alter table {name} drop column gone",
        f"insert into {name} select i, 'u' || i, null, gen_random_uuid() from generate_series(1, 1000) i",
        f"analyze {name}",
        f"create index on {name} (username)",
    )
    table = await read(shared, table=name)
    [(oid, filenode, size)] = shared.query(
        "select %s::regclass::oid::bigint, pg_relation_filenode(%s::regclass)::bigint, pg_relation_size(%s::regclass)",
        *([name] * 3),
    )
    [(system_identifier,)] = shared.query("select system_identifier from pg_control_system()")
    assert (table.identity.oid, table.identity.filenode) == (oid, filenode)
    assert table.identity.system_identifier == system_identifier
    assert table.pages == size / 8192 > 1
    assert table.rows_estimated == 1000
    assert [(one.name, one.type, one.generated, one.indexed) for one in table.columns] == [
        ("id", "bigint", False, True),
        ("username", "pg_catalog.text", False, True),
        ("handle", "character varying(63)", False, False),
        ("tenant", "pg_catalog.uuid", False, True),
    ]
    assert table.key == ("tenant", "id")
    assert table.key_operators == ("OPERATOR(pg_catalog.=)",) * 2
    assert table.before_update_triggers == ()
    assert table.foreseeable


async def test_a_table_that_was_never_analysed_has_no_estimate(shared: Database, schema: str):
    run_sql(shared, f"create table {table_of(schema)} (id int, username text, handle text)")
    table = await read(shared, table=table_of(schema))
    assert (table.rows_estimated, table.pages, table.key) == (0, 0, ())


@pytest.mark.parametrize(
    "statement",
    [
        "vacuum full {}",
        "truncate {}",
        "alter table {} alter id type bigint",
        "drop table {0}; create table {0} (id int)",
    ],
)
async def test_the_identity_changes_with_the_file(shared: Database, schema: str, statement: str):
    name = table_of(schema)
    create = f"create table {name} (id int, username text, handle text)"
    run_sql(shared, create)
    before = await read(shared, table=name)
    assert difference(before.identity, (await read(shared, table=name)).identity) is None
    for one in statement.split("; "):
        run_sql(shared, one.format(name))
    if "create" in statement:
        run_sql(shared, f"alter table {name} add username text, add handle text")
    why = difference(before.identity, (await read(shared, table=name)).identity)
    assert why == (
        "the table was dropped and made again"
        if "create" in statement
        else "the table was rewritten (VACUUM FULL, CLUSTER, TRUNCATE or an ALTER TABLE)"
    )


async def test_the_key_has_its_own_order_and_nothing_that_is_only_included(shared: Database, schema: str):
    name = table_of(schema)
    run_sql(
        shared,
        f"create table {name} (a int, b int, c int, username text, handle text, primary key (c, a) include (b))",
        f"create unique index on {name} (b)",
    )
    assert (await read(shared, table=name)).key == ("c", "a")


async def test_a_column_is_indexed_by_an_expression_or_a_condition_too(shared: Database, schema: str):
    """Any of these forbids HOT when the column is set."""
    name = table_of(schema)
    run_sql(
        shared,
        f"create table {name} (id int primary key, username text, handle text, stored text, plain text)",
        f"create index on {name} (id) where handle is null",
        f"create index on {name} (lower(username))",
        f"create index on {name} (id) include (stored)",
    )
    columns = {one.name: one.indexed for one in (await read(shared, table=name)).columns}
    assert columns == {"id": True, "username": True, "handle": True, "stored": True, "plain": False}


TYPES = {
    "int": "integer",
    "varchar(3)": "character varying(3)",
    "char(3)": "character(3)",
    '"char"': 'pg_catalog."char"',
    "bpchar": "pg_catalog.bpchar",
    "name[]": "pg_catalog.name[]",
    "time": "time without time zone",
    "timetz[]": "time with time zone[]",
    "double precision": "double precision",
    "numeric(10,2)[]": "numeric(10,2)[]",
    "timestamp(3) with time zone": "timestamp(3) with time zone",
    "interval hour to second(2)": "interval hour to second(2)",
    "bit(3)": "bit(3)",
    "jsonb": "pg_catalog.jsonb",
    'text collate "C"': 'pg_catalog.text COLLATE pg_catalog."C"',
    '{}."Mood%"': '{}."Mood%"',
    '{}."Mood%"[]': '{}."Mood%"[]',
    "{}.posint": "{}.posint",
    "{}.pair": "{}.pair",
}


@pytest.mark.parametrize("declared", TYPES)
async def test_the_type_of_a_column_is_told_as_sql(shared: Database, schema: str, declared: str):
    run_sql(
        shared,
        f"create type {quote(schema)}.\"Mood%\" as enum ('sad', 'ok')",
        f"create domain {quote(schema)}.posint as int check (value > 0)",
        f'create type {quote(schema)}.pair as (a int, "B.c" text)',
        f"create table {table_of(schema)} (username text, handle {declared.format(quote(schema))})",
    )
    table = await read(shared, table=table_of(schema))
    assert table.columns[1].type == TYPES[declared].format(quote(schema))


async def test_only_row_triggers_before_an_update_that_may_fire_count(shared: Database, schema: str):
    name = table_of(schema)
    run_sql(
        shared,
        f"create table {name} (id int, username text, handle text)",
        f"create function {quote(schema)}.f() returns trigger language plpgsql as 'begin return new; end'",
    )
    for trigger, when in {
        "counts": "before update on {} for each row",
        "counts_too": "before insert or update of username on {} for each row",
        "counts_always": "before update on {} for each row",
        "after_it": "after update on {} for each row",
        "a_statement": "before update on {} for each statement",
        "an_insert": "before insert or delete on {} for each row",
        "switched_off": "before update on {} for each row",
        "on_replicas": "before update on {} for each row",
    }.items():
        run_sql(shared, f"create trigger {trigger} {when.format(name)} execute function {quote(schema)}.f()")
    run_sql(
        shared,
        f"alter table {name} disable trigger switched_off",
        f"alter table {name} enable replica trigger on_replicas",
        f"alter table {name} enable always trigger counts_always",
    )
    table = await read(shared, table=name)
    assert table.before_update_triggers == ("counts", "counts_always", "counts_too")
    assert not table.foreseeable


async def test_a_column_that_the_server_computes_cannot_be_foreseen(shared: Database, schema: str):
    name = table_of(schema)
    run_sql(
        shared,
        f"create table {name} (id int, username text, handle text, n int generated always as (length(handle)) stored)",
    )
    assert not (await read(shared, table=name)).foreseeable


async def test_an_identity_column_keeps_its_value_and_can_be_foreseen(shared: Database, schema: str):
    for kind in ("always", "by default"):
        name = table_of(schema, kind)
        run_sql(
            shared, f"create table {name} (id int generated {kind} as identity primary key, username text, handle text)"
        )
        assert (await read(shared, table=name)).foreseeable


async def test_unlogged_tables_and_partitions_are_ordinary_tables(shared: Database, schema: str):
    run_sql(
        shared,
        f"create unlogged table {table_of(schema, 'unlogged')} (username text, handle text)",
        f"create table {table_of(schema, 'parent')} (id int, username text, handle text) partition by range (id)",
        f"create table {table_of(schema, 'leaf')} partition of {table_of(schema, 'parent')} for values from (1) to (9)",
    )
    for name in ("unlogged", "leaf"):
        assert (await read(shared, table=table_of(schema, name))).name == TableName(schema, name)


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


async def test_where_several_tables_are_filled_a_row_of_each_has_the_name_of_the_job_s_table(
    shared: Database, schema: str
):
    name, child = table_of(schema), table_of(schema, "child")
    run_sql(shared, f"create table {name} (id int, username text, handle text) partition by range (id)")
    head = await read(shared, table=name)
    assert (head.pages, head.identity.filenode, head.alias) == (0, 0, "users")
    run_sql(shared, f"drop table {name}", f"create table {name} (username text, handle text)")
    assert (await read(shared, table=name)).alias is None
    run_sql(shared, f"create table {child} () inherits ({name})")
    assert (await read(shared, table=name)).alias == "users"
    job = job_file(table=name)
    async with connected(shared.dsn, job) as connection:
        leaf = await read_table(connection, job, "postgres", TableName(schema, "child"))
    assert (leaf.name, leaf.alias) == (TableName(schema, "child"), "users")


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


async def test_each_missing_right_is_told_with_the_grant_that_mends_it(shared: Database, schema: str):
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
