"""Types of columns, each with values whose text or meaning some setting, cast or time zone changes."""

from __future__ import annotations

KINDS: dict[str, tuple[str, ...]] = {
    "int": ("1", "2", "-3", "0", "NULL"),
    "text": ("'a'", "'NULL'", "''", "'01/02/2024'", r"E'a\\b'", "'%s %%'", "'1e2'", "NULL"),
    "timestamptz": ("'2024-03-10 02:30Z'", "'2024-01-31 23:59:59.5Z'", "'1999-12-31 12:00Z'", "'infinity'", "NULL"),
    "timestamp": ("'2024-03-10 02:30'", "'2024-11-03 01:30'", "'1900-01-01'", "NULL"),
    "date": ("'2024-02-29'", "'2024-01-02'", "'0044-03-15 BC'", "NULL"),
    "interval": ("'1 year'", "'-1 mon 3 days'", "'25:00:01.5'", "'1 year -2 mons 3 days -00:00:01'", "NULL"),
    "float8": ("'0.1'::float8 + 0.2", "1e300", "'NaN'", "'-0'", "1/3::float8", "NULL"),
    "float4": ("1/3::float4", "16777217", "'-Infinity'", "NULL"),
    "numeric": ("0.10", "'NaN'", "1e-20", "12345678901234567890.5", "NULL"),
    "bool": ("true", "false", "NULL"),
    "bytea": (r"'\x00ff5c'", r"'\x61'", r"'\x'", "NULL"),
    "text[]": ('\'{a,NULL,"NULL",""}\'', "'{}'", "'{{a,b},{c,NULL}}'", "NULL"),
    "float8[]": ("ARRAY[1/3::float8, NULL]", "'{}'", "NULL"),
    "interval[]": ("ARRAY['1 year'::interval, NULL]", "'{}'", "NULL"),
    "app.mood[]": ("'{glad,NULL}'", "'{{sad,NULL},{NULL,glad}}'", "NULL"),
    "app.pair[]": ("""ARRAY[ROW('x,"y', '2024-03-10 02:30Z')::app.pair, NULL]""", "ARRAY[ROW('NULL', NULL)::app.pair]"),
    "jsonb[]": ("""ARRAY['[1]'::jsonb, NULL, '{"a": null}']""", "NULL"),
    "jsonb": ("""'{"b": 1, "a": [1.5, null]}'""", "'[]'", "'\"x\"'", "NULL"),
    "json": ("""'{"b": 1,  "a": 2}'""", "'[1.0]'", "NULL"),
    "char(4)": ("'a'", "'ab  '", "NULL"),
    "varchar(5)": ("'abc'", "'abcde'", "NULL"),
    "timetz": ("'10:00+02'", "'23:59:59-08'", "NULL"),
    "tstzrange": ("tstzrange('2024-03-10 02:30Z', '2024-06-01Z')", "'empty'", "NULL"),
    "money": ("1.5::numeric::money", "'-2'::money", "NULL"),
    "point": ("point(1/3::float8, 2)", "NULL"),
    "app.mood": ("'glad'", "'sad'", "NULL"),
    "app.positive": ("1", "7", "NULL"),
    "app.pair": ("""ROW('x,"y', '2024-03-10 02:30Z')::app.pair""", "NULL"),
}
"""By type, the simplest first. Those of schema `app` are made by `TYPES`."""

TYPES: dict[str, tuple[str, ...]] = {
    "app.mood": ("CREATE TYPE app.mood AS ENUM ('sad', 'glad')",),
    "app.positive": ("CREATE DOMAIN app.positive AS int CHECK (value > 0)",),
    "app.pair": ("CREATE TYPE app.pair AS (a text, at timestamptz)",),
}


def value(kind: str, row: int, salt: int) -> str:
    """Return a value for a row, as SQL; another salt gives other values in another order."""
    values = KINDS[kind]
    return values[(row * 7 + row // 5 + salt) % len(values)]
