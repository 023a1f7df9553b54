"""Row functions: a value that passes through Python is the value that SQL would have set."""

from __future__ import annotations

from tests.differential.case import Case, Setting
from tests.differential.corpus.make import case, database, dsn, role

SAME = "def f(rows):\n    return [next(iter(row.values())) for row in rows]\n"


def same(
    kind: str, values: str, settings: tuple[Setting, ...] = (), meant: str = "source", before: tuple[str, ...] = ()
) -> Case:
    """Return a job that copies a column of a type through Python.

    `before` makes the type; `meant` is what it is then, for what `exemptions.ROW_FUNCTION_VALUES` has.
    """
    return case(
        *before,
        f"CREATE TABLE app.t (id int PRIMARY KEY, source {kind}, made {kind}, done bool NOT NULL DEFAULT false)",
        f"INSERT INTO app.t (id, source) SELECT i, ({values}) FROM generate_series(1, 12) i",
        set={"made": "python", "done": "true"},
        where="NOT done",
        module=SAME,
        inputs=("source",),
        meant={"made": meant},
        settings=settings,
    )


INTERVALS = "(ARRAY['1 year', '-1 mon 3 days', '25:00:01.5', '1 year -2 mons 3 days', NULL]::interval[])[1 + i % 5]"
MOMENTS = "'2024-03-09 12:00Z'::timestamptz + i * interval '7 hours'"


def beside(kind: str, value: str) -> Case:
    """Return a job with a row function and, beside it, what the role's array_nulls changes in `set` and in a trigger."""
    return case(
        f"CREATE TABLE app.t (id int PRIMARY KEY, source {kind}, made {kind}, list text[], note text)",
        f"INSERT INTO app.t (id, source) SELECT i, {value} FROM generate_series(1, 12) i",
        "CREATE FUNCTION app.noted() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN new.note := current_setting(''array_nulls''); RETURN new; END'",
        "CREATE TRIGGER noted BEFORE UPDATE ON app.t FOR EACH ROW EXECUTE FUNCTION app.noted()",
        set={"made": "python", "list": "'{a,NULL}'"},
        where="list IS NULL",
        module=SAME,
        inputs=("source",),
        meant={"made": "source"},
        settings=role(array_nulls="off"),
    )


CASES: dict[str, Case] = {
    "function: settings beside it": beside("int", "i"),
    "function: arrays beside what array_nulls changes": beside("text[]", "ARRAY['a', NULL, 'NULL', '']"),
    "function: array_nulls in where": case(
        "CREATE TABLE app.t (id int PRIMARY KEY, list text[], made int[])",
        "INSERT INTO app.t SELECT i, ARRAY['a', CASE WHEN i % 2 = 0 THEN 'NULL' END] FROM generate_series(1, 12) i",
        set={"made": "python"},
        where="made IS NULL AND list = '{a,NULL}'",
        module="def f(rows):\n    return [[row['id'], None] for row in rows]\n",
        inputs=("id",),
        meant={"made": "ARRAY[id, NULL]"},
        settings=role(array_nulls="off"),
    ),
    "function: NULL itself": same("bool", "CASE i % 3 WHEN 0 THEN NULL ELSE i % 3 = 1 END", role(array_nulls="off")),
    "function: the text NULL": same("text", "(ARRAY['NULL', NULL, ''])[1 + i % 3]", database(array_nulls="off")),
    "function: nothing but NULL": same("int", "NULL", database(array_nulls="off")),
    "function: enums with NULL": same(
        "app.mood[]",
        "ARRAY['glad', NULL, 'sad']::app.mood[]",
        role(array_nulls="off"),
        before=("CREATE TYPE app.mood AS ENUM ('sad', 'glad')",),
    ),
    "function: arrays of json": same(
        "jsonb[]", """ARRAY['[1, {"a": [null]}]', NULL, '{"b": 1}', '"NULL"']::jsonb[]""", role(array_nulls="off")
    ),
    "function: array of arrays with NULL": same(
        "text[]", "'{{a,NULL},{NULL,\"null\"}}'::text[]", dsn(array_nulls="off")
    ),
    "function: an array in a row type": same(
        "app.pair",
        "ROW('x', ARRAY['a', NULL])::app.pair",
        role(array_nulls="off"),
        before=("CREATE TYPE app.pair AS (a text, list text[])",),
    ),
    "function: xml for a role of whole documents": same("xml", "NULL", role(xmloption="document")),
    "function: money of a locale": same("money", "i::money", role(lc_monetary="POSIX")),
    "function: interval": same("interval", INTERVALS),
    "function: interval in a style": same("interval", INTERVALS, role(intervalstyle="iso_8601")),
    "function: interval in SQL's style": same("interval", INTERVALS, role(intervalstyle="sql_standard")),
    "function: float8 with few digits": same("float8", "i / 3.0::float8", role(extra_float_digits="-5")),
    "function: float4": same("float4", "i / 3.0::float4", database(extra_float_digits="0")),
    "function: array with NULL": same("text[]", "ARRAY['a', NULL, 'NULL', '']", role(array_nulls="off")),
    "function: array of an array": same("int[]", "ARRAY[ARRAY[i, NULL], ARRAY[3, 4]]", database(array_nulls="off")),
    "function: array that begins elsewhere": same("int[]", "'[2:3]={1,2}'::int[]", meant="'{1,2}'"),
    "function: array of intervals": same("interval[]", f"ARRAY[{INTERVALS}]"),
    "function: date of a style": same("date", "'2024-02-03'::date + i", role(datestyle="SQL, DMY")),
    "function: moment of a style": same("timestamptz", MOMENTS, role(datestyle="German", timezone="Asia/Tokyo")),
    "function: timestamp of a style": same("timestamp", f"({MOMENTS})::timestamp", role(datestyle="Postgres, DMY")),
    "function: range of moments": same(
        "tstzrange", f"tstzrange({MOMENTS}, NULL)", database(timezone="America/New_York", datestyle="SQL, DMY")
    ),
    "function: a time of a zone": same("timetz", f"({MOMENTS})::timetz", database(timezone="America/New_York")),
    "function: bytea": same("bytea", r"decode('00ff5c', 'hex')", role(bytea_output="escape")),
    "function: money": same("money", "i::money"),
    "function: numeric": same("numeric", "(ARRAY['NaN', '1e-20', '10.00', 'Infinity', '-0.0']::numeric[])[1 + i % 5]"),
    "function: json": same(
        "json",
        """(ARRAY['{"b":1, "a": 1.0, "a": 2}', '1e2', 'null', '" "'])[1 + i % 4]::json""",
        meant="""(ARRAY['{"b": 1, "a": 2}', '100.0', NULL, '" "'])[1 + id % 4]::json""",
    ),
    "function: jsonb": same(
        "jsonb",
        """(ARRAY['{"a": 1.10}', '12345678901234567890.5', 'null'])[1 + i % 3]::jsonb""",
        meant="""(ARRAY['{"a": 1.1}', '1.2345678901234567e19', NULL])[1 + id % 3]::jsonb""",
    ),
    "function: char": same("char(5)", "'a' || i"),
    "function: bit": same("bit varying(9)", "i::bit(7)"),
    "function: point": same("point", "point(i / 3.0, i)", role(extra_float_digits="-3")),
    "function: composite": case(
        "CREATE TYPE app.pair AS (a text, at timestamptz)",
        "CREATE TABLE app.t (id int PRIMARY KEY, source app.pair, made app.pair, done bool NOT NULL DEFAULT false)",
        f"INSERT INTO app.t (id, source) SELECT i, ('x,\"y', {MOMENTS})::app.pair FROM generate_series(1, 12) i",
        set={"made": "python", "done": "true"},
        where="NOT done",
        module=SAME,
        inputs=("source",),
        meant={"made": "source"},
        settings=dsn(datestyle="SQL,DMY", timezone="America/New_York"),
    ),
}
