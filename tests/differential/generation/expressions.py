"""Expressions that `set` and `where` take: what each makes, what it is made from, and what could make it mean another."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Expression:
    """An expression of a type over columns of types; `{0}` is the first of these, `{row}` the row as a whole.

    `setup` is what has to be there, `whole` whether it depends on the row's type, `others` on the table's other rows.
    """

    kind: str
    text: str
    over: tuple[str, ...] = ()
    setup: tuple[str, ...] = ()


_SHOUT = "CREATE FUNCTION app.shout(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1 || ''!'''"
_LOCAL = (
    "CREATE FUNCTION app.local(timestamptz) RETURNS text LANGUAGE sql STABLE SET timezone = 'Asia/Tokyo'"
    " AS 'SELECT $1::text'"
)
_CALLER = (
    "CREATE FUNCTION app.caller(timestamptz) RETURNS text LANGUAGE plpgsql STABLE"
    " AS 'BEGIN RETURN $1::text || current_setting(''search_path''); END'"
)
_HIDDEN = "CREATE FUNCTION app.upper(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1 || '' in app'''"
_LATE = "CREATE FUNCTION app.late(text) RETURNS text LANGUAGE plpgsql STABLE AS 'BEGIN RETURN upper($1); END'"
_PATHED = (
    "CREATE FUNCTION app.pathed(text) RETURNS text LANGUAGE plpgsql STABLE SET search_path = app, pg_catalog"
    " AS 'BEGIN RETURN upper($1) || current_setting(''search_path''); END'"
)
_OPERATOR = (
    "CREATE FUNCTION app.joined(text, text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT concat($2, $1)'",
    "CREATE OPERATOR app.|| (LEFTARG = text, RIGHTARG = text, FUNCTION = app.joined)",
)
_DATE = "CREATE DOMAIN app.date AS timestamptz"
_OF_ROW = "CREATE FUNCTION app.label(app.t) RETURNS text LANGUAGE sql STABLE AS 'SELECT $1.id || '' '' || $1.region'"
_DEFINER = (
    (
        "CREATE FUNCTION app.secret(int) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER"
        " AS 'SELECT label FROM app.secrets WHERE id = $1'"
    ),
    "ALTER FUNCTION app.secret(int) OWNER TO stranger",
)

_PLAIN = (
    Expression("text", "'x'"),
    Expression("int", "{row}.id"),
    Expression("text", "app.shout({0})", ("text",), (_SHOUT,)),
    Expression("text", "app.secret({row}.id)", (), _DEFINER),
    Expression("text", "{row}.tableoid::regclass::text"),
    Expression("text", "(SELECT l.label FROM app.labels l WHERE l.id = {row}.id)"),
    Expression("text", "(SELECT s.label FROM app.secrets s WHERE s.id = {row}.id)"),
)
OF_SETTINGS = (
    Expression("date", "{0}::date", ("timestamptz",)),
    Expression("timestamptz", "{0}", ("timestamp",)),
    Expression("timestamptz", "{0}", ("date",)),
    Expression("timestamp", "{0}", ("timestamptz",)),
    Expression("timestamptz", "{0} + '1 day'", ("timestamptz",)),
    Expression("timestamptz", "date_trunc('day', {0})", ("timestamptz",)),
    Expression("text", "{0}::text", ("timestamptz",)),
    Expression("text", "{0}::text", ("date",)),
    Expression("text", "{0}::text", ("interval",)),
    Expression("text", "{0}::text", ("float8",)),
    Expression("text", "{0}::text", ("float4",)),
    Expression("text", "{0}::text", ("bytea",)),
    Expression("text", "{0}::text", ("money",)),
    Expression("text", "{0}::text", ("point",)),
    Expression("text", "{0}::text", ("tstzrange",)),
    Expression("text", "{0}::text", ("app.pair",)),
    Expression("text", "concat({0}, '|', {1})", ("float8[]", "text[]")),
    Expression("text", "format('%s %L', {0}, {1})", ("interval", "text")),
    Expression("text", "to_char({0}, 'YYYY-MM-DD HH24:MI TZ')", ("timestamptz",)),
    Expression("text", "to_json({0})::text", ("timestamptz",)),
    Expression("jsonb", "jsonb_build_array({0}, {1})", ("float8", "timestamptz")),
    Expression("text", r"'a\\b'"),
    Expression("text", r"E'a\\tb'"),
    Expression("text", "$$it's$$ || {0}", ("text",)),
    Expression("text", "quote_literal({0})", ("text",)),
    Expression("date", "'01/02/2024'"),
    Expression("interval", "{0} - '2024-01-01'", ("timestamptz",)),
    Expression("interval", "'P1Y2M'::interval + {0}", ("interval",)),
    Expression("text[]", "'{{a,NULL}}'"),
    Expression("text[]", "ARRAY[{0}::text, NULL]", ("text[]",)),
    Expression("bool", "{0} = NULL", ("int",)),
    Expression("bytea", "'a\\\\001'::bytea"),
    Expression("tsvector", "to_tsvector('the running dogs')"),
    Expression("money", "'1,234.50'"),
    Expression("text", "current_setting('TimeZone') || current_setting('search_path')"),
    Expression("text", "current_user || ' ' || session_user || current_setting('row_security')"),
    Expression("text", "app.local({0})", ("timestamptz",), (_LOCAL,)),
)
"""What settings change: of time, styles, digits and strings."""
OF_PATH = (
    Expression("text", "upper({0})", ("text",), (_HIDDEN,)),
    Expression("text", "app.caller({0})", ("timestamptz",), (_CALLER,)),
    Expression("text", "app.late({0})", ("text",), (_HIDDEN, _LATE)),
    Expression("text", "app.pathed({0})", ("text",), (_HIDDEN, _PATHED)),
    Expression("text", "'x' || {0}", ("text",), _OPERATOR),
    Expression("text", "{0}::date::text", ("timestamptz",), (_DATE,)),
)
"""What the search path changes, of the session or of a function: which function, operator or type a name means."""
DEFAULT = "DEFAULT"
OF_DEFAULTS = (Expression("int", DEFAULT), Expression("text", DEFAULT))
OF_ROWS = (
    Expression("text", "{row}::text"),
    Expression("text", "row_to_json({row})::text"),
    Expression("jsonb", "to_jsonb({row})"),
    Expression("text", "app.label({row})", (), (_OF_ROW,)),
    Expression("text", "pg_typeof({row})::text"),
    Expression("bool", "{row} IS NOT NULL"),
)
"""The row as a whole, which has another type in a leaf."""
OF_OWN_ROWS = (
    Expression("int", "(SELECT count(*) FROM app.t o WHERE o.region = {row}.region)"),
    Expression("text", "(SELECT max(o.note) FROM app.t o WHERE o.id <= {row}.id)"),
    Expression("int", "(SELECT count(*) FROM app.t o WHERE o.done)"),
    Expression("int", "(SELECT p.n FROM app.progress p)"),
)
"""What reads other rows of the job's table."""
EXPRESSIONS: tuple[Expression, ...] = (*_PLAIN, *OF_SETTINGS, *OF_PATH, *OF_DEFAULTS, *OF_ROWS, *OF_OWN_ROWS)

CONDITIONS: tuple[Expression, ...] = (
    Expression("bool", "{row}.id % 3 > 0"),
    Expression("bool", "{0}::date > '2024-01-31'", ("timestamptz",)),
    Expression("bool", "extract(hour FROM {0}) < 12", ("timestamptz",)),
    Expression("bool", "{0}::text < '3'", ("interval",)),
    Expression("bool", "{0} IS NOT NULL AND {0} = NULL IS NOT TRUE", ("int",)),
    Expression("bool", "length({row}::text) % 2 = 0"),
    Expression("bool", r"{0} IS DISTINCT FROM 'a\b'", ("text",)),
    Expression("bool", "EXISTS (SELECT FROM app.labels l WHERE l.id = {row}.id)"),
    Expression(
        "bool", "{row}.id = (SELECT min(o.id) FROM app.t o WHERE o.region = {row}.region AND o.id > {row}.id - 3)"
    ),
    Expression("bool", "(SELECT count(*) FROM app.t o WHERE o.done) < 9"),
    Expression("bool", "{0} > '01/02/2024'", ("date",)),
    Expression("bool", "{row}.tableoid <> 0"),
)
"""What `where` may ask beside what the job makes false."""
REFUSED_FOR = re.compile(r"app\.t |app\.progress|\{row\}(?!\.)")
"""What many jobs are refused for: their own table's other rows, and the row as a whole."""
