"""Tables that no example shows: each is filled by the same run, and read afterwards with plain SQL."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
import pytest

from tests.acceptance.command import job_text, write
from tests.acceptance.worker import run_job

USERS = "id int primary key, username text, handle text"
FILL = ({"handle": "username"}, "handle IS NULL")
RIGHT = "select count(*) = count(handle) and bool_and(handle is not distinct from username) from {table}"


@dataclass(frozen=True)
class Odd:
    """A table by the SQL that makes it, its job, the rows that must be updated, and SQL that is true afterwards."""

    make: str
    rows: int
    fill: tuple[dict[str, str], str] = FILL
    right: str = RIGHT
    more: tuple[str, ...] = ()
    since: int = 140_000


def users(rows, *, columns=USERS, options="", values="select i, 'u' || i from generate_series(1, {rows}) i"):
    return f"create table {{table}} ({columns}) {options}; insert into {{table}} " + values.format(rows=rows)


def capped(cap, rows):
    """A table of dense pages whose trigger counts the rows of each transaction."""
    return Odd(
        f"""
        create table {{table}} (filled bool);
        insert into {{table}} select null from generate_series(1, {rows});
        create table {{table}}_seen (transaction xid8);
        create function {{table}}_note() returns trigger language plpgsql security definer as
            $$ begin insert into {{table}}_seen values (pg_current_xact_id()); return null; end $$;
        create trigger seen after update on {{table}} for each row execute function {{table}}_note()
        """,
        rows,
        ({"filled": "true"}, "filled IS NULL"),
        f"""
        select max(rows) <= {cap} and sum(rows) = {rows} and (select bool_and(filled) from {{table}})
        from (select count(*) as rows from {{table}}_seen group by transaction) s
        """,
        (f"batch: {{max_rows: {cap}}}",),
    )


ODD = {
    "partition_leaf": Odd(
        f"""
        create table {{table}}_all ({USERS}) partition by range (id);
        create table {{table}} partition of {{table}}_all for values from (1) to (301);
        create table {{table}}_next partition of {{table}}_all for values from (301) to (601);
        insert into {{table}}_all select i, 'u' || i from generate_series(1, 600) i
        """,
        300,
        right="select count(handle) = 300 and bool_and(handle = username) and"
        " (select count(handle) = 0 and count(*) = 300 from {table}_next) from {table}",
    ),
    "virtual_column": Odd(
        users(300, columns=f"{USERS}, todo bool generated always as (handle is null) virtual").replace(
            "insert into {table}", "insert into {table} (id, username)"
        ),
        300,
        (FILL[0], "todo"),
        since=180_000,
    ),
    "filled": Odd(
        """
        create table {table} (key int, rows int, slice int, stripe int, ctid_ tid, unconverged bool, samples text);
        insert into {table} select i, i, i, i from generate_series(1, 300) i
        """,
        300,
        (
            {"unconverged": "key = rows AND EXISTS (SELECT FROM filled f WHERE f.key = filled.key)"},
            "unconverged IS NULL AND slice = stripe",
        ),
        "select bool_and(unconverged) from {table}",
    ),
    "no_row_no_page": Odd(f"create table {{table}} ({USERS})", 0, right="select count(*) = 0 from {table}"),
    "pages_without_rows": Odd(users(500) + "; delete from {table}", 0, right="select count(*) = 0 from {table}"),
    "one_row": Odd(users(1), 1),
    "one_page": Odd(users(180), 180),
    "toasted": Odd(
        """
        create table {table} (id int, body text, copy text, digest text);
        alter table {table} alter body set storage external;
        insert into {table} (id, body) select i, repeat(md5(i::text), 32768) from generate_series(1, 6) i
        """,
        6,
        ({"copy": "body", "digest": "md5(body)"}, "digest IS NULL"),
        "select bool_and(copy = body and digest = md5(body)) from {table}",
    ),
    "one_row_a_page": Odd(
        """
        create table {table} (id int, pad text, handle text);
        alter table {table} alter pad set storage plain;
        insert into {table} (id, pad) select i, repeat('x', 7900) from generate_series(1, 40) i
        """,
        40,
        ({"handle": "left(pad, 3)"}, "handle IS NULL"),
        "select count(*) = 40 and bool_and(handle = 'xxx' and length(pad) = 7900) from {table}",
    ),
    "columns_1600": Odd(
        """
        do $do$ begin execute 'create table {table} (handle int, ' || (
            select string_agg('c' || i || ' int', ', ') from generate_series(1, 1599) i) || ')'; end $do$;
        insert into {table} (c1599) select i from generate_series(1, 20) i
        """,
        20,
        ({"handle": "c1599"}, "handle IS NULL"),
        "select bool_and(handle = c1599) from {table}",
    ),
    "max_rows_1": capped(1, 40),
    "max_rows_10": capped(10, 700),
    "max_rows_300": capped(300, 6000),
    "no_rows": Odd(users(0), 0, right="select count(*) = 0 from {table}"),
    "all_filled": Odd(users(1000) + "; update {table} set handle = username", 0),
    "last_page_alone": Odd(
        users(5000, values="select i, 'u' || i, 'u' || i from generate_series(1, {rows}) i")
        + "; update {table} set handle = null where ctid >= ("
        "select format('(%s,0)', max((ctid::text::point)[0])) from {table})::tid",
        -1,
    ),
    "every_second_row": Odd(users(2000) + "; update {table} set handle = username where id % 2 = 0", 1000),
    "no_primary_key": Odd(users(300, columns="id int, username text, handle text"), 300),
    "composite_key": Odd(users(300, columns="id int, username text, handle text, primary key (username, id)"), 300),
    "never_analysed": Odd(users(3000, options="with (autovacuum_enabled = off)"), 3000),
    "unlogged": Odd(users(300).replace("create table", "create unlogged table"), 300),
    "fillfactor_50": Odd(users(3000, options="with (fillfactor = 50)"), 3000),
    "indexed_target": Odd(
        users(3000) + "; create index on {table} (handle); create unique index on {table} (lower(handle), id)", 3000
    ),
    "inheritance_parent": Odd(
        users(300) + "; create table {table}_child () inherits ({table});"
        "insert into {table}_child select i, 'c' || i from generate_series(1, 50) i",
        350,
        right="select count(handle) = 350 and bool_and(handle = username) from {table}",
    ),
    "odd_types": Odd(
        """
        create domain {table}_email as text check (value like '%@%');
        create type {table}_mood as enum ('sad', 'glad');
        create type {table}_point as (x int, y text);
        create table {table} (
            id int primary key, email {table}_email, mood {table}_mood, tags text[], doc jsonb, place {table}_point,
            span int4range, bits bit varying(8), money numeric(10, 2), at timestamptz, raw bytea, key uuid, matrix int[][]
        );
        insert into {table} (id) select i from generate_series(1, 100) i
        """,
        100,
        (
            {
                "email": "'u' || id || '@example.org'",
                "mood": "CASE WHEN id % 2 = 0 THEN 'sad' ELSE 'glad' END::text::{table}_mood",
                "tags": "ARRAY['a,b', NULL, '{{}}', 'tag ' || id]",
                "doc": "jsonb_build_object('id', id, 'none', NULL)",
                "place": "ROW(id, 'a,\"b\")')::{table}_point",
                "span": "int4range(id, id + 10)",
                "bits": "B'1010'",
                "money": "id / 3.0",
                "at": "'epoch'::timestamptz + id * interval '1 day'",
                "raw": "decode(lpad(to_hex(id), 4, '0'), 'hex')",
                "key": "md5(id::text)::uuid",
                "matrix": "ARRAY[[id, 2], [3, 4]]",
            },
            "email IS NULL OR doc IS NULL OR place IS NULL",
        ),
        """
        select bool_and(
            email = 'u' || id || '@example.org' and tags = ARRAY['a,b', NULL, '{{}}', 'tag ' || id]
            and (doc ->> 'id')::int = id and (place).x = id and (place).y = 'a,"b")' and upper(span) = id + 10
            and bits = B'1010' and money = round(id / 3.0, 2) and at = 'epoch'::timestamptz + id * interval '1 day'
            and key = md5(id::text)::uuid and matrix[1][1] = id and mood::text = CASE WHEN id % 2 = 0 THEN 'sad' ELSE 'glad' END
        ) from {table}
        """,
    ),
    "generated_columns": Odd(
        users(
            300,
            columns="id int generated always as identity primary key, username text, handle text,"
            " todo bool generated always as (handle is null) stored",
            values="(username) select 'u' || i from generate_series(1, {rows}) i",
        ),
        300,
        (FILL[0], "todo"),
    ),
    "triggers_before_and_after": Odd(
        users(300, columns=f"{USERS}, touched timestamptz")
        + """;
        create table {table}_log (id int);
        create function {table}_before() returns trigger language plpgsql as
            $$ begin new.touched = now(); new.handle = upper(new.handle); return new; end $$;
        create function {table}_after() returns trigger language plpgsql security definer as
            $$ begin insert into {table}_log values (new.id); return null; end $$;
        create trigger b before update on {table} for each row execute function {table}_before();
        create trigger a after update on {table} for each row execute function {table}_after()
        """,
        300,
        right="select bool_and(handle = upper(username) and touched is not null) and"
        " (select count(*) = 300 and count(distinct id) = 300 from {table}_log) from {table}",
    ),
    "dropped_and_added_columns": Odd(
        users(
            300,
            columns=f"gone int, {USERS}",
            values="(id, username) select i, 'u' || i from generate_series(1, {rows}) i",
        )
        + "; alter table {table} drop column gone, add column level int not null default 7",
        300,
        ({"handle": "username", "level": "level + 1"}, "level = 7"),
        "select bool_and(handle = username and level = 8) from {table}",
    ),
    "column_named_as_its_table": Odd(
        "create table {table} ({table} text, username text); insert into {table} select null, 'u' || i from generate_series(1, 99) i",
        99,
        ({"{table}": "username"}, "{table} IS NULL"),
        "select bool_and({table} = username) from only {table} t({table}, username)",
    ),
    "swapped_from_another_table": Odd(
        users(300, columns=f"{USERS}, other text")
        + "; create table {table}_other as select id, 'o' || id as name from {table}",
        300,
        (
            {
                "handle": "username",
                "username": "'was ' || username",
                "other": "(SELECT name FROM {table}_other o WHERE o.id = {table}.id)",
            },
            "other IS NULL",
        ),
        "select bool_and(handle = 'u' || id and username = 'was u' || id and other = 'o' || id) from {table}",
    ),
    "whole_row_in_where": Odd(
        users(200), 200, (FILL[0], "({table}.*)::text LIKE '%,' || ')' OR {table}.tableoid IS NULL")
    ),
    "foreign_key_and_deferred_trigger": Odd(
        "create table {table}_names (name text primary key); insert into {table}_names select 'u' || i from generate_series(1, 200) i;"
        + users(200)
        + """;
        alter table {table} add foreign key (handle) references {table}_names deferrable initially deferred;
        create function {table}_late() returns trigger language plpgsql as $$ begin perform 1; return null; end $$;
        create constraint trigger late after update on {table} deferrable initially deferred
            for each row execute function {table}_late()
        """,
        200,
    ),
}


@pytest.mark.oldest
@pytest.mark.timeout(180)
def test_each_odd_table_is_filled_right_by_one_run(database, tmp_path):
    paths = []
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        tables = {table: odd for table, odd in ODD.items() if odd.since <= connection.info.server_version}
        for table, odd in tables.items():
            connection.execute(odd.make.replace("{table}", table).encode())
            assigned, where = odd.fill
            named = {
                column.replace("{table}", table): one.replace("{table}", table) for column, one in assigned.items()
            }
            text = job_text(
                table.replace("_", "-"), f"public.{table}", named, where.replace("{table}", table), *odd.more
            )
            paths.append(write(tmp_path / f"{table}.yaml", text))
    with run_job(database.worker_dsn, paths[0], *map(str, paths[1:])) as worker:
        code = worker.end()
    ended = {event["job"].replace("-", "_"): event for event in worker.all_of("Finished")}
    assert code == 0, f"{list(ended)[-1]}: {worker.stderr}"
    for table, odd in tables.items():
        assert ended[table]["state"] == "done", table
        assert ended[table]["rows_total"] == odd.rows or odd.rows < 0 < ended[table]["rows_total"] < 200, table
        assert database.query(odd.right.replace("{table}", table)) == [(True,)], table
