"""The table as the catalog tells it, and every reason why it cannot be one."""

from __future__ import annotations

import pytest

from backfill.postgres.catalog.table import read_table
from backfill.table.definition import difference
from backfill.values.identifier import TableName, quote
from tests.fixtures_postgres import Database
from tests.integration.catalog.reading import read, table_of
from tests.integration.jobs import connected, job_file, run_sql

pytestmark = pytest.mark.anyio


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
async def test_the_type_of_a_column_is_reported_as_sql(shared: Database, schema: str, declared: str):
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


async def test_a_partition_has_the_row_triggers_of_its_parent(shared: Database, schema: str):
    """A row that one of them changes cannot be foreseen."""
    parent, leaf = table_of(schema), table_of(schema, "leaf")
    run_sql(
        shared,
        f"create table {parent} (id int, username text, handle text) partition by list (id)",
        f"create table {leaf} partition of {parent} for values in (1)",
        f"create trigger counts before update on {parent} for each row execute function"
        " suppress_redundant_updates_trigger()",
    )
    table = await read(shared, table=leaf)
    assert (table.before_update_triggers, table.row_update_triggers) == (("counts",), ("counts",))
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
