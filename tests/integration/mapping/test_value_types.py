"""Values of every type through a row function and back, whatever the role's settings make of texts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql

from tests.fixtures_postgres import Database
from tests.integration.jobs import function_job, run, run_sql

pytestmark = pytest.mark.anyio

PLAIN: dict[str, Any] = {"batch": {"stripes": 1}, "throttle": {"replicas": {"ignore": ["*"]}}}
SETTINGS = {
    "as they come": {},
    "SQL, day first": {
        "DateStyle": "SQL, DMY",
        "IntervalStyle": "sql_standard",
        "TimeZone": "America/New_York",
        "extra_float_digits": "-5",
        "array_nulls": "off",
        "bytea_output": "escape",
        "xmloption": "document",
        "xmlbinary": "hex",
        "standard_conforming_strings": "off",
        "backslash_quote": "on",
        "transform_null_equals": "on",
        "quote_all_identifiers": "on",
        "lc_monetary": "C.utf8",
    },
    "German, ISO 8601": {
        "DateStyle": "German",
        "IntervalStyle": "iso_8601",
        "TimeZone": "Asia/Kathmandu",
        "extra_float_digits": "-15",
        "array_nulls": "off",
    },
    "PostgreSQL's own": {
        "DateStyle": "Postgres, MDY",
        "IntervalStyle": "postgres_verbose",
        "TimeZone": "Europe/Berlin",
    },
}
"""Settings of a role, none of which may show in a value."""

TYPES = {
    "a_smallint": ("smallint", "1"),
    "a_bigint": ("bigint", "9007199254740993"),
    "a_real": ("real", "1.1"),
    "a_double": ("double precision", "'NaN'"),
    "a_numeric": ("numeric(20,5)", "123456789012345.12345"),
    "a_bool": ("boolean", "true"),
    "a_text": ("text", "E'tab\\t \"quote\" \\\\ {,} ü€😀 '"),
    "a_varchar": ("varchar(5)", "'äöüßx'"),
    "a_char": ("char(5)", "'ab'"),
    "a_one_char": ('"char"', "'x'"),
    "a_bit": ("bit(5)", "B'10101'"),
    "a_bytea": ("bytea", "'\\x00ff5c27'"),
    "a_uuid": ("uuid", "'00000000-0000-0000-0000-00000000002a'"),
    "a_date": ("date", "'2024-02-29'"),
    "a_far_date": ("date", "'infinity'"),
    "a_bc_date": ("date", "'0044-03-15 BC'"),
    "a_time": ("time", "'24:00'"),
    "a_timetz": ("timetz", "'10:11:12.123456+05:30'"),
    "a_timestamp": ("timestamp(3)", "'2024-02-29 10:11:12.123'"),
    "a_timestamptz": ("timestamptz", "'2024-02-29 10:11:12.123456+02'"),
    "a_far_timestamptz": ("timestamptz", "'-infinity'"),
    "an_interval": ("interval", "'3 days 04:05:06.789'"),
    "a_year": ("interval", "'1 year'"),
    "many_hours": ("interval", "'48:00:00'"),
    "a_mixed_interval": ("interval", "'-1 mons +2 days -00:00:01.5'"),
    "a_negative_interval": ("interval", "'-1 days +02:03:00'"),
    "intervals": ("interval[]", "array['1 year', '-3 days', '36:00:00', null]::interval[]"),
    "an_exact_double": ("double precision", "0.1::double precision + 0.2::double precision"),
    "doubles": ("double precision[]", "array[1.0/3, 1e-300, null]::double precision[]"),
    "an_exact_real": ("real", "(1.0/3)::real"),
    "a_json": ("json", '\'{"a": [1, null, "x"]}\''),
    "a_jsonb": ("jsonb", '\'{"a": {"b": [true, 1.5]}}\''),
    "a_jsonb_text": ("jsonb", "'\"just text\"'"),
    "jsonbs": ("jsonb[]", "array['{\"a\": 1}', '[1, 2]', null]::jsonb[]"),
    "ints": ("int[]", "'{{1,2},{3,null}}'"),
    "texts": ("text[]", "array['a,b', 'c\"d', null, 'NULL', '']"),
    "numerics": ("numeric[]", "'{1,2.50,NaN}'"),
    "timestamps": ("timestamptz[]", "'{2024-01-01 00:00+00,infinity}'"),
    "uuids": ("uuid[]", "'{00000000-0000-0000-0000-00000000002a}'"),
    "byteas": ("bytea[]", "array['\\x00'::bytea, '\\xff'::bytea]"),
    "an_inet": ("inet", "'10.0.0.1/8'"),
    "a_cidr": ("cidr", "'10.0.0.0/8'"),
    "a_macaddr": ("macaddr", "'08:00:2b:01:02:03'"),
    "a_range": ("int4range", "'[1,5)'"),
    "a_tstzrange": ("tstzrange", "'[2024-01-01 00:00+00,)'"),
    "a_multirange": ("int4multirange", "'{[1,3),[5,7)}'"),
    "a_point": ("point", "'(1.5,-2)'"),
    "a_box": ("box", "'(1,1),(0,0)'"),
    "a_tsvector": ("tsvector", "'fat:2 rat:3'"),
    "a_money": ("money", "12.34"),
    "an_enum": ('"Odd"."Mood, even"', "'so so'"),
    "enums": ('"Odd"."Mood, even"[]', "array['so so', 'good']::\"Odd\".\"Mood, even\"[]"),
    "a_composite": ("pair", "row(1, 'a \"b\", c')::pair"),
    "a_domain": ("short", "'abc'"),
    "a_domain_of_a_domain": ("shorter", "'abc'"),
    "an_array_domain": ("int_list", "'{1,2}'"),
    "an_oid": ("oid", "4294967295"),
    "an_xid8": ("xid8", "'18446744073709551615'"),
    "a_regclass": ("regclass", "'pg_class'"),
}


@pytest.fixture
def many_types(shared: Database) -> Iterator[Database]:
    run_sql(
        shared,
        "drop schema if exists backfill cascade",
        'create schema "Odd"',
        "create type \"Odd\".\"Mood, even\" as enum ('good', 'so so')",
        "create type pair as (a int, b text)",
        "create domain short as varchar(5) check (value <> 'no')",
        "create domain shorter as short check (length(value) < 5)",
        "create domain int_list as int[]",
        "create table kinds (id bigint primary key, done boolean)",
    )
    for name, (kind, value) in TYPES.items():
        run_sql(shared, f"alter table kinds add {name} {kind}, add to_{name} {kind}")
        if not shared.query("select 1 from kinds"):
            run_sql(shared, "insert into kinds values (1), (2)")
        run_sql(shared, f"update kinds set {name} = {value} where id = 1")
    yield shared
    run_sql(
        shared,
        "drop table kinds",
        "drop domain int_list, shorter, short",
        "drop type pair",
        'drop schema "Odd" cascade',
    )


@pytest.mark.parametrize("settings", SETTINGS)
async def test_values_of_every_kind_come_back_as_they_were(many_types: Database, tmp_path: Path, settings: str):
    """What a function returns as it got it is the same value again, in a column of the same type; so is NULL."""
    names = ", ".join(f"'to_{name}': row['{name}']" for name in TYPES)
    module = f"def f(rows):\n    return [{{'done': True, {names}}} for row in rows]\n"
    assigned = dict.fromkeys(("done", *(f"to_{name}" for name in TYPES)), "python")
    job = function_job(tmp_path, module, table="kinds", inputs=list(TYPES), set=assigned, where="done IS NULL", **PLAIN)
    run_sql(many_types, f"alter role {many_types.worker} reset all")
    for name, value in SETTINGS[settings].items():
        alter = sql.SQL("alter role {} set {} = {}").format(*map(sql.Identifier, (many_types.worker, name)), value)
        run_sql(many_types, alter.as_string())
    finished, _ = await run(many_types.worker_dsn, job)
    assert (finished.state, finished.rows_total) == ("done", 2)
    for name in TYPES:
        same = f"select id from kinds where {name}::text is distinct from to_{name}::text"
        assert many_types.query(same) == [], name
    batch_result = (
        f"select count(*) from kinds where num_nonnulls({', '.join(f'to_{name}' for name in TYPES)}) = {len(TYPES)}"
    )
    assert many_types.query(batch_result) == [(1,)]
