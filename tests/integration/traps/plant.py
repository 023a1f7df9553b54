"""A database full of look-alikes: each function, operator, type and relation of PostgreSQL's own that our texts may name.

They lie in a schema that comes first in the database's search_path, before `pg_catalog`. Each one that is called says so
in the server's log, which no rollback takes back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable

import psycopg
from psycopg import sql

SCHEMA = "traps"
SPRUNG = "a trap was sprung: "
_TYPES = ("text", "name", "int8", "int4", "int2", "oid", "regclass", "xid", "tid", "bool", "numeric", "float8", "jsonb")
"""Types that our statements compare and add: an operator for each pair, a function for each one and for each pair."""
_RESULTS = {
    "<@": "bool",
    "@>": "bool",
    "~*": "bool",
    "=": "bool",
    "<>": "bool",
    "<": "bool",
    ">": "bool",
    "<=": "bool",
    ">=": "bool",
    "~": "bool",
    "!~": "bool",
}
_SHADOWED = ("text", "tid", "xid", "jsonb", "oid", "regclass", "name", "bytea")

_BASE = f"""
create schema {SCHEMA};
grant usage on schema {SCHEMA} to public;
create function {SCHEMA}.spring(what pg_catalog.text) returns pg_catalog.bool language plpgsql as
    $$ begin raise log '{SPRUNG}%', what; return true; end $$;
create procedure {SCHEMA}.plant(statements text[]) language plpgsql as $$
declare statement text;
begin
    foreach statement in array statements loop
        begin
            execute statement;
        exception when duplicate_function or duplicate_object or invalid_function_definition then null;
        end;
    end loop;
end $$;
"""
CHUNK = 300

_COUNTS = """
select 'function', count(*) from pg_proc where pronamespace = to_regnamespace(%(schema)s)
union all select 'operator', count(*) from pg_operator where oprnamespace = to_regnamespace(%(schema)s)
union all select 'relation', count(*) from pg_class where relnamespace = to_regnamespace(%(schema)s)
union all select 'type', count(*) from pg_type where typnamespace = to_regnamespace(%(schema)s) and typtype = 'd'
"""

_OVERLOADS = """
select p.oid::regprocedure::text, p.proname, p.prokind, pg_get_function_arguments(p.oid), pg_get_function_result(p.oid),
    p.proretset
from pg_proc p
where p.pronamespace = 'pg_catalog'::regnamespace and p.proname = any(%s) and p.prokind = 'f'
  and not exists (
      select from unnest(p.proargtypes::oid[] || p.prorettype) t
      where t = any(array['internal', 'cstring', '"any"', 'trigger', 'anycompatible']::regtype[]::oid[])
  )
  and p.provariadic = 0
"""
_RESULT_TYPES = """
select proname, min(case when prorettype = any(array['bool', 'int4', 'int8', 'oid']::regtype[]) then prorettype::regtype::text else 'text' end)
from pg_proc where pronamespace = 'pg_catalog'::regnamespace and proname = any(%s) group by 1
"""
_RELATIONS = """
select c.relname, string_agg(format(case when a.atttypid = 'anyarray'::regtype then '%%1$I::text as %%1$I' else '%%I' end, a.attname), ', ')
from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where c.relnamespace = 'pg_catalog'::regnamespace and c.relname = any(%s) and c.relkind in ('r', 'v')
group by c.relname
"""


def our_words() -> set[str]:
    """Return every word of our statements: what may be a name in one of them."""
    package = files("backfill.postgres")
    texts = [path.read_text() for folder in package.joinpath("sql").iterdir() for path in _below(folder)]
    texts += [
        path.read_text() for folder in package.iterdir() if folder.is_dir() for path in _below(folder, suffix=".py")
    ]
    return set(re.findall(r"\w+", "\n".join(texts)))


def _below(folder: Traversable, suffix: str = ".sql") -> Iterator[Traversable]:
    if folder.is_dir():
        for entry in folder.iterdir():
            yield from _below(entry, suffix)
    elif folder.name.endswith(suffix):
        yield folder


def plant(dsn: str, database: str) -> dict[str, int]:
    """Plant all traps, and put their schema before PostgreSQL's own; return how many there are of each kind."""
    words = sorted(our_words())
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            "set search_path = pg_catalog; set check_function_bodies = off; set client_min_messages = error"
        )
        connection.execute(_BASE.encode())
        statements = [*_functions(connection, words), *_operators(), *_relations(connection, words), *_types()]
        for start in range(0, len(statements), CHUNK):
            connection.execute(
                sql.SQL("call {}.plant(%s)").format(sql.Identifier(SCHEMA)), [statements[start : start + CHUNK]]
            )
        counts: dict[str, int] = dict(connection.execute(_COUNTS, {"schema": SCHEMA}).fetchall())
        path = sql.SQL("alter database {} set search_path = traps, pg_catalog, public").format(sql.Identifier(database))
        connection.execute(path)
    return counts


def _functions(connection: psycopg.Connection, words: list[str]) -> Iterator[str]:
    step = f"perform {SCHEMA}.spring('count(*)'); return $1;"
    yield _function("count_step", "int8", "int8", step)
    yield f"create aggregate {SCHEMA}.count(*) (sfunc = {SCHEMA}.count_step, stype = int8)"
    for signature, name, _, arguments, result, is_set in connection.execute(_OVERLOADS, [words]).fetchall():
        returned = "return;" if is_set else "return null;"
        yield _function(name, arguments, result, f"perform {SCHEMA}.spring({_quoted(signature)}); {returned}")
    results: dict[str, str] = dict(connection.execute(_RESULT_TYPES, [words]).fetchall())
    for name, result in sorted(results.items()):
        for arguments in (
            (),
            *((one,) for one in _TYPES),
            *((one, "text") for one in _TYPES),
            *(("text", one) for one in _TYPES),
        ):
            signature = f"{name}({', '.join(arguments)})"
            yield _function(
                name, ", ".join(arguments), result, f"perform {SCHEMA}.spring({_quoted(signature)}); return null;"
            )


def _operators() -> Iterator[str]:
    signs = (
        "=",
        "<>",
        "<",
        ">",
        "<=",
        ">=",
        "+",
        "-",
        "*",
        "/",
        "&",
        "|",
        "||",
        ">>",
        "<<",
        "->",
        "->>",
        "~",
        "~*",
        "!~",
        "<@",
        "@>",
    )
    for left in _TYPES:
        for right in _TYPES:
            for sign in signs:
                result, name = _RESULTS.get(sign, left), f"trap_{left}_{right}_{_RESULTS.get(sign, 'left')}"
                yield _function(
                    name,
                    f"{left}, {right}",
                    result,
                    f"perform {SCHEMA}.spring('{left} {sign} {right}'); return null;",
                )
                yield (
                    f"create operator {SCHEMA}.{sign} (leftarg = {left}, rightarg = {right}, function = {SCHEMA}.{name})"
                )


def _relations(connection: psycopg.Connection, words: list[str]) -> Iterator[str]:
    for name, columns in connection.execute(_RELATIONS, [words]).fetchall():
        yield (
            f"create view {SCHEMA}.{name} as select {columns} from pg_catalog.{name} where {SCHEMA}.spring('relation {name}')"
        )


def _types() -> Iterator[str]:
    for name in _SHADOWED:
        yield f"create domain {SCHEMA}.{name} as pg_catalog.{name} check ({SCHEMA}.spring('type {name}'))"


def _function(name: str, arguments: str, result: str, body: str) -> str:
    return f'create function {SCHEMA}."{name}"({arguments}) returns {result} language plpgsql as $trap$ begin {body} end $trap$'


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
