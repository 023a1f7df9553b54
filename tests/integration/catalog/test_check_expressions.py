"""Expressions as the server understands them: where they are wrong, and what a row will be after them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.sql import SQL

from backfill.jobfile.load import JobFile, load
from backfill.postgres.catalog.check_expressions import prepare, volatile_functions
from backfill.postgres.catalog.table import read_table
from backfill.postgres.plan.make import make_plan
from backfill.postgres.statements.fragments import expression, name_of, target_of
from backfill.postgres.statements.predicates import RowPredicates
from backfill.table.definition import Table
from backfill.values.errors import JobError, StatementRefused
from tests.fixtures_postgres import Database
from tests.integration.jobs import connected, job_file, prepared, run_sql

pytestmark = pytest.mark.anyio

HERE = "¦"
JOB = "name: users-handle\ntable: public.users\nset:\n  handle: {set}\nwhere: {where}\n"
STYLES = {
    "in apostrophes": lambda text: "'{}'".format(text.replace("'", "''")),
    "in quotes": lambda text: '"{}"'.format(text.replace('"', '\\"').replace("ü", "\\u00FC")),
    "in lines": "|\n    username\n\n    ||\n      {}\n".format,
    "folded": ">-\n    username\n    ||\n\n    {}\n".format,
}


@pytest.fixture(scope="module")
def users(shared: Database) -> Database:
    run_sql(
        shared,
        'create table users (id bigint primary key, username text, handle text, "Üser %" text, n int)',
        "create function only_users(users) returns boolean language sql as 'select $1.handle is null'",
        "create function loud(int) returns text language plpgsql immutable as"
        " 'begin raise exception ''no % today'', $1 using hint = ''come again''; end'",
    )
    return shared


async def refusal(database: Database, text: str) -> tuple[str, str]:
    """Return the place that a text marks, and what is said of the text without the mark."""
    before, _, after = text.partition(HERE)
    place = f"job.yaml:{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}: "
    job = load(before + after, "job.yaml")
    async with connected(database.dsn, job) as connection:
        with pytest.raises(JobError) as caught:
            await prepared(connection, job)
    return place, str(caught.value)


WRONG_VALUES = {
    "lower(¦usrname)": 'column "usrname" does not exist',
    "¦users.nope": "column users.nope does not exist",
    "¦users2.username": 'missing FROM-clause entry for table "users2"',
    "¦lowr(username)": "function lowr(text) does not exist; No function matches",
    "¦max(username)": "aggregate functions are not allowed in UPDATE",
    "¦row_number() over ()": "window functions are not allowed in UPDATE",
    "¦generate_series(1, 2)": "set-returning functions are not allowed in UPDATE",
    "lower(¦(SELECT 'a', 'b'))": "subquery must return only one column",
    "¦'x'::int": 'invalid input syntax for type integer: "x"',
    "username ¦username": 'syntax error at or near "username"',
    "username |¦|": "syntax error at the end: the expression is incomplete",
    "case when n > 1 then username els¦e": "syntax error at the end: the expression is incomplete",
    "(SELECT ¦nope FROM users)": 'column "nope" does not exist',
    "¦nope -- and more": 'column "nope" does not exist',
    "$$äöü€😀$$ || ¦nope": 'column "nope" does not exist',
    '"Üser %" || ¦"Üser"': 'column "Üser" does not exist; Perhaps you meant',
    "(n % 2 + ¦nope % 2)": 'column "nope" does not exist',
    "$$%s %(low)s %%$$ || ¦nope": 'column "nope" does not exist',
}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("wrong", WRONG_VALUES)
async def test_what_is_wrong_with_a_value_is_reported_where_it_stands(users: Database, wrong: str, style: str):
    place, said = await refusal(users, JOB.format(set=STYLES[style](wrong), where="handle IS NULL"))
    assert said.startswith(place)
    assert WRONG_VALUES[wrong] in said


WRONG_CONDITIONS = {
    "¦username": "argument of WHERE must be type boolean, not type text",
    "handle IS NULL AND n = ¦'x'": 'invalid input syntax for type integer: "x"',
    "handle IS NULL AND n ¦= username": "operator does not exist: integer = text",
    "handle IS NULL OR ¦count(*) > 1": "aggregate functions are not allowed in WHERE",
    "¦rank() over () = 1": "window functions are not allowed in WHERE",
    "n > ¦generate_series(1, 2)": "set-returning functions are not allowed in WHERE",
    "id ¦IN (SELECT 1, 2)": "subquery has too many columns",
    "id IN (SELECT id FROM ¦nowhere)": 'relation "nowhere" does not exist',
    "handle IS NULL\n  AND $$ü$$ = $$ö$$ AND\n  ¦nope": 'column "nope" does not exist',
}


@pytest.mark.parametrize("wrong", WRONG_CONDITIONS)
async def test_what_is_wrong_with_the_condition_is_reported_where_it_stands(users: Database, wrong: str):
    place, said = await refusal(users, JOB.format(set="username", where="|\n  " + wrong))
    assert said.startswith(place)
    assert WRONG_CONDITIONS[wrong] in said


@pytest.mark.parametrize(
    ("wrong", "words"), [("(1 / 0)::text", "division by zero"), ("loud(7)", "no 7 today; come again")]
)
async def test_what_fails_when_it_is_evaluated_is_reported_at_its_beginning(users: Database, wrong: str, words: str):
    for text in (
        JOB.format(set=f"{HERE}username || {wrong}", where="handle IS NULL"),
        JOB.format(set="username", where=f"|\n  {HERE}handle IS NULL\n  AND {wrong} = ''"),
    ):
        place, said = await refusal(users, text)
        assert said == place + words


async def test_a_value_of_another_type_is_reported_at_its_column_s_expression(users: Database):
    text = "name: a\ntable: users\nset:\n  handle: username\n  n: ¦lower(username)\nwhere: n IS NULL\n"
    place, said = await refusal(users, text)
    assert said.startswith(place + 'column "n" is of type integer but expression is of type text; You will need to')


async def test_a_table_with_a_rule_is_refused_before_its_first_batch(users: Database):
    run_sql(
        users,
        "create table ruled (username text, handle text)",
        "create rule logged as on update to ruled do also select 1",
    )
    job = job_file(table="ruled")
    async with connected(users.dsn, job) as connection:
        with pytest.raises(JobError) as caught:
            await prepared(connection, job)
    assert str(caught.value).startswith("job.yaml:2:9: table 'public.ruled' cannot be filled: DO ALSO rules are not")


@pytest.mark.parametrize("gone", ["alter table {} rename to elsewhere", "drop table {}"])
async def test_a_table_that_goes_away_while_it_is_checked_is_reported_at_its_name(users: Database, gone: str):
    run_sql(users, "drop table if exists passing, elsewhere", "create table passing (username text, handle text)")
    job = job_file(table="passing")
    async with connected(users.dsn, job) as connection:
        table = await read_table(connection, job, "postgres")
        run_sql(users, gone.format("passing"))
        with pytest.raises(JobError) as caught:
            await prepare(connection, job, table)
    assert str(caught.value) == (
        'job.yaml:2:9: relation "public.passing" does not exist; it was dropped or renamed while the job was checked'
    )


async def test_what_is_not_the_job_file_s_fault_is_not_blamed_on_it(users: Database):
    run_sql(users, "create table locked (username text, handle text)")
    job = job_file(set={"handle": "(SELECT username FROM locked)"}, table="users", lock_timeout="100ms")
    with psycopg.connect(users.dsn) as other:
        other.execute("lock table locked")
        async with connected(users.dsn, job) as connection:
            with pytest.raises(StatementRefused) as caught:
                await prepared(connection, job)
    assert caught.value.sqlstate == "55P03"


@pytest.mark.parametrize(
    ("where", "foreseen"),
    [
        ("handle IS NULL", True),
        ("users.handle IS NULL AND EXISTS (SELECT FROM users other WHERE other.id > users.id)", True),
        ("users::text LIKE '%,,%'", True),
        ("to_jsonb(users) ->> 'handle' IS NULL", True),
        ("handle IS NULL AND ctid > '(0,0)'", False),
        ("handle IS NULL AND xmin::text <> '2'", False),
        ("handle IS NULL AND tableoid > 0", False),
        ("public.users.handle IS NULL", False),
        ("only_users(users)", True),
        ("handle IS NULL AND EXISTS (SELECT FROM users other WHERE other.ctid = users.ctid)", False),
    ],
)
async def test_only_what_the_row_itself_says_is_foreseen(users: Database, where: str, foreseen: bool):
    job = job_file(where=where)
    async with connected(users.dsn, job) as connection:
        _, statements = await prepared(connection, job)
    assert statements.foreseen is foreseen
    plan = await make_plan(users.dsn, job)
    assert plan.foreseen is foreseen
    assert "Tid Range Scan" in plan.sql.explained or "Seq Scan" in plan.sql.explained


async def test_a_row_that_the_server_changes_is_not_foreseen(users: Database):
    run_sql(
        users,
        "create table computed (username text, handle text, n int generated always as (length(handle)) stored)",
        "create table triggered (username text, handle text)",
        "create function touch() returns trigger language plpgsql as 'begin new.handle := null; return new; end'",
        "create trigger touch before update on triggered for each row execute function touch()",
    )
    for table in ("computed", "triggered"):
        job = job_file(table=table)
        async with connected(users.dsn, job) as connection:
            _, statements = await prepared(connection, job)
        assert not statements.foreseen


async def test_functions_that_give_another_value_each_time_are_named(users: Database):
    job = job_file()
    async with connected(users.dsn, job) as connection:
        text = "coalesce(username, gen_random_uuid()::text || RANDOM ( ) || now() || lower('x') || 100 % 7)"
        assert await volatile_functions(connection, text) == ["gen_random_uuid", "random"]


@dataclass(frozen=True)
class Truth:
    """What is foretold of each row, compared with what an UPDATE really does to it."""

    connection: psycopg.Connection
    table: Table

    def compare(self, job: JobFile) -> int:
        """Return the number of rows that match the condition still; fail when other ones were foretold."""
        target, where = target_of(self.table), expression(job.job.where)
        still = RowPredicates(job.job, self.table, foreseen=True).still_matches()
        told = SQL("SELECT id, {} IS TRUE FROM {} WHERE {}").format(still, target, where)
        assignments = (
            SQL("{} = {}").format(name_of(one.column), expression(one.expression)) for one in job.job.assignments
        )
        update = SQL("UPDATE {} SET {} WHERE {}").format(target, SQL(", ").join(assignments), where)
        with self.connection.transaction(force_rollback=True):
            foretold = self.connection.execute(told, {}).fetchall()
            self.connection.execute(update, {})
            left = self.connection.execute(SQL("SELECT id FROM {} WHERE {}").format(target, where), {}).fetchall()
        assert {row for row, still in foretold if still} == {row for (row,) in left}
        return len(left)


@pytest.fixture(scope="module")
def truth(shared: Database) -> Iterator[Truth]:
    """A table with a row for each mixture of values and NULL, named as an SQL word is."""
    run_sql(
        shared,
        "create table other (n int)",
        "insert into other values (1), (3)",
        'create table "values" (id int generated always as identity primary key, gone int, a int, b int, t text,'
        ' "V%" varchar(3), d numeric(4, 1), c char(3), day date)',
        'alter table "values" drop column gone',
        'insert into "values" (a, b, t, "V%", d, c, day) select a, b, t, t, b + 0.25, t, date \'2026-01-01\' + a'
        " from unnest(array[null, 0, 1, 2]) a, unnest(array[null, 0, 1, 3]) b, unnest(array[null, '', 'x', 'Abc']) t",
        "create function is_small(\"values\") returns boolean language sql as 'select $1.a < 2'",
    )
    job = job_file(table='"values"', set={"a": "b"}, where="a IS NULL")

    async def read() -> Table:
        async with connected(shared.dsn, job) as connection:
            table, _ = await prepared(connection, job)
            return table

    with psycopg.connect(shared.dsn) as connection:
        yield Truth(connection, asyncio.run(read()))


# set, where, and how many of the table's 64 rows match still after it.
FORETOLD: list[tuple[dict[str, str], str, int]] = [
    ({"a": "b"}, "a IS NULL", 4),
    ({"a": "b"}, "a IS NULL OR b IS NULL", 16),
    ({"a": "b", "b": "a"}, "a IS NULL OR b > 1", 8),
    ({"a": "b", "b": "a"}, "a < b", 0),
    ({"a": "a + 1", "b": "a"}, "a > b OR b IS NULL", 28),
    ({"a": "a + 1"}, "NOT (a > 1 AND b = 1)", 40),
    ({"t": "NULL"}, "t = '' OR t IS NULL", 32),
    ({"t": "lower(t)"}, "t <> lower(t)", 0),
    ({"t": "lower(t)"}, "t IS DISTINCT FROM upper(t)", 32),
    ({"t": "upper(t)"}, "t ~ '[a-z]' OR t LIKE '%' || 'A%' -- all that begin so", 16),
    ({"a": "2 - a"}, "a % 2 = 0 OR b IN (SELECT n FROM other)", 48),
    ({"a": "(SELECT max(n) FROM other)"}, "a IS NULL OR EXISTS (SELECT FROM other WHERE n = a)", 32),
    ({"a": '(SELECT n FROM other WHERE n > coalesce("values".b, 0))'}, '"values".a IS NULL AND b > 0', 4),
    ({"d": "a / 3.0"}, "d IS NULL OR d = 0.3 OR d = 0.7", 24),
    ({'"V%"': "substr(t, 1, 2)"}, 'length("V%") = 3 OR "V%" IS NULL', 16),
    ({"c": "'a'"}, "c = 'a' OR c IS NULL OR c LIKE '%b%'", 32),
    ({"day": "timestamp '2026-01-02 23:59' + a * interval '1 day'"}, "day > '2026-01-02' OR day IS NULL", 32),
    ({"a": "CASE WHEN b > 0 THEN b END"}, "CASE WHEN a IS NULL THEN true ELSE a = 1 END", 24),
    ({"a": "b"}, 'is_small("values")', 16),
    ({"a": "b"}, '("values").a IS NULL OR "values"::text LIKE \'%,1,%\'', 24),
    ({"a": "b"}, 'to_jsonb("values") @> \'{"a": 1}\'', 4),
    ({"a": "b"}, "array_position(ARRAY[a, b], NULL) = 1", 4),
    ({"a": '(SELECT "values".a FROM other AS "values" (a) WHERE a = 3)'}, "a IS NULL", 0),
]


@pytest.mark.parametrize(("set_to", "where", "left"), FORETOLD)
def test_what_is_predicted_of_a_row_comes_true(
    truth: Truth, shared: Database, set_to: dict[str, str], where: str, left: int
):
    job = job_file(table='"values"', set=set_to, where=where)

    async def foreseen() -> bool:
        async with connected(shared.dsn, job) as connection:
            _, statements = await prepared(connection, job)
            return statements.foreseen

    assert asyncio.run(foreseen())
    assert truth.compare(job) == left


def test_the_column_s_own_collation_is_predicted(shared: Database, truth: Truth):
    """The database's locale is C, in which only ASCII letters have a case."""
    known = "select quote_ident(collname) from pg_collation where collname in ('pg_c_utf8', 'C.utf8', 'und-x-icu')"
    collations = shared.query(known)
    if not collations:
        pytest.skip("this server knows no other collation")
    run_sql(
        shared,
        f"create table collated (id int, handle text collate {collations[0][0]})",
        "insert into collated values (1, null), (2, 'ä'), (3, 'x')",
    )
    job = job_file(table="collated", set={"handle": "'ä'"}, where="upper(handle) = 'Ä' OR handle IS NULL")

    async def read() -> Table:
        async with connected(shared.dsn, job) as connection:
            table, _ = await prepared(connection, job)
            return table

    assert Truth(truth.connection, asyncio.run(read())).compare(job) == 2


_NUMBERS = st.recursive(
    st.sampled_from(["a", "b", "NULL::int", "0", "1", "3", "length(t)", "(SELECT min(n) FROM other)"]),
    lambda inner: (
        st.builds("({1} {0} {2})".format, st.sampled_from("+-*"), inner, inner)
        | st.builds("{}({}, {})".format, st.sampled_from(["coalesce", "nullif", "greatest"]), inner, inner)
    ),
    max_leaves=4,
)
_CONDITIONS = st.recursive(
    st.builds("({1} {0} {2})".format, st.sampled_from(["=", "<", "<>", "IS DISTINCT FROM"]), _NUMBERS, _NUMBERS)
    | st.builds("({} IS {})".format, _NUMBERS, st.sampled_from(["NULL", "NOT NULL"]))
    | st.builds("EXISTS (SELECT FROM other WHERE n = {})".format, _NUMBERS)
    | st.builds("({} IN (SELECT n FROM other))".format, _NUMBERS),
    lambda inner: (
        st.builds("({1} {0} {2})".format, st.sampled_from(["AND", "OR"]), inner, inner)
        | st.builds("(NOT {})".format, inner)
    ),
    max_leaves=4,
)


@settings(max_examples=150, deadline=None)
@given(_NUMBERS, _NUMBERS, _CONDITIONS)
def test_whatever_is_predicted_comes_true(truth: Truth, first: str, second: str, where: str):
    truth.compare(job_file(table='"values"', set={"a": first, "b": second}, where=where))
