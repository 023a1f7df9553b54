"""Whatever PostgreSQL takes for a name and whatever SQL takes for an expression goes through the command line, right."""

from __future__ import annotations

import json

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from tests.acceptance.command import backfill, job_text, write
from tests.acceptance.worker import run_job

NAMES = (
    "Upper",
    'quo"ted',
    '""',
    "two words",
    "dot.ted",
    "select",
    "per%cent",
    "%(low)s %s %% %b",
    "$1",
    ":name",
    "{}{0}{x!r}",
    "back\\slash",
    "'; drop table victim; --",
    "/* comment",
    "ünïcode ☃ 😀",
    "漢" * 21,
    "x" * 63,
    "new\nline\ttab",
    "[red]bold[/red]",
    "ctid ",
)

EXPRESSIONS = (
    "{} || '100%'",
    "{} || ' %s %(low)s %% %'",
    "{} || ' :name ::text {{}} {{0}} {{low}}'",
    "{} || ' back\\slash \\n'",
    "{} || E' tab\\t quote\\' back\\\\slash'",
    "{} || $tag$ 'quotes' \"double\" ; -- none of it $tag$",
    "{} || ' it''s' -- a comment ' with \" quotes ; and 100%",
    "/* begin /* nested */ ' */ {} || ' commented' /* ; */",
    "(\n  -- first\n  {}\n)\n|| ' over\nlines' -- last",
    "CASE WHEN length({}) %% 2 = 0 THEN 'even' ELSE 'odd' END".replace("%%", "%"),
    "jsonb_build_object('k', {})::text || ('{{\"a\": \"?\"}}'::jsonb ? 'a')::text",
    "(SELECT max(s) || '%' FROM unnest(ARRAY[{}, '[b]']) AS s WHERE s ~ '^[^%]+$')",
)


def sql_name(name):
    return '"' + name.replace('"', '""') + '"'


@pytest.mark.timeout(120)
def test_any_name_of_a_schema_a_table_and_columns_is_filled_and_reported_right(database, tmp_path):
    jobs = []
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        connection.execute("create table victim (id int)")
        for number in range(len(NAMES)):
            # Each place gets another name, so that one left unquoted cannot find another's.
            schema, table, key, source, target = (NAMES[(number + step) % len(NAMES)] for step in range(5))
            connection.execute(SQL("create schema {}").format(Identifier(schema)))
            connection.execute(
                SQL("create table {} ({} int primary key, {} text, {} text)").format(
                    Identifier(schema, table), *map(Identifier, (key, source, target))
                )
            )
            connection.execute(
                SQL("insert into {} select i, nullif('s' || i, 's7') from generate_series(1, 20) i").format(
                    Identifier(schema, table)
                )
            )
            text = job_text(
                f"job-{number}",
                f"{sql_name(schema)}.{sql_name(table)}",
                {sql_name(target): f"{sql_name(source)} || '%'"},
                f"{sql_name(target)} IS NULL",
            )
            jobs.append(write(tmp_path / f"{number:02}.yaml", text))
    with run_job(database.worker_dsn, jobs[0], *map(str, jobs[1:])) as worker:
        assert worker.end() == 3, worker.stderr
    ends = worker.all_of("Finished")
    assert [end["rows_unconverged"] for end in ends] == [1] * len(NAMES)
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        for number, end in enumerate(ends):
            schema, table, key, source, target = (NAMES[(number + step) % len(NAMES)] for step in range(5))
            assert [json.loads(sample) for sample in end["samples"]] == [{key: 7}]
            row = connection.execute(
                SQL(
                    "select count(*), count({target}) from {table} where {target} is not distinct from {source} || '%'"
                ).format(table=Identifier(schema, table), source=Identifier(source), target=Identifier(target))
            ).fetchone()
            assert row == (20, 19)
        assert connection.execute("select count(*) from victim").fetchone() == (0,)
    shown = backfill("status", dsn=database.worker_dsn)
    assert (shown.code, shown.stdout.count("cannot converge")) == (0, len(NAMES))
    assert "[red]bold[/red]" in shown.stdout
    planned = backfill("plan", jobs[NAMES.index("%(low)s %s %% %b")], dsn=database.worker_dsn)
    assert planned.code == 4  # the rows that are left cannot converge
    assert 'UPDATE ONLY "%(low)s %s %% %b"."$1" SET' in planned.stdout


@pytest.mark.timeout(120)
def test_any_expression_means_what_it_means_in_sql(database, tmp_path):
    jobs = []
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        for number, expression in enumerate(EXPRESSIONS):
            table, text = Identifier(f"t{number}"), expression.format("username")
            connection.execute(
                SQL("create table {} as select i as id, 'u' || i as username, null::text as handle").format(table)
                + SQL(" from generate_series(1, 30) i")
            )
            connection.execute(SQL("alter table {} add expected text").format(table))
            connection.execute(SQL("update {} set expected = (").format(table) + SQL(text) + SQL("\n)"))
            where = f"handle IS DISTINCT FROM (\n{text}\n)"
            jobs.append(
                write(tmp_path / f"{number:02}.yaml", job_text(f"job-{number}", f"t{number}", {"handle": text}, where))
            )
    with run_job(database.worker_dsn, jobs[0], *map(str, jobs[1:])) as worker:
        assert worker.end() == 0, worker.stderr
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        for number in range(len(EXPRESSIONS)):
            row = connection.execute(
                SQL("select count(*), count(handle) from {} where handle is not distinct from expected").format(
                    Identifier(f"t{number}")
                )
            ).fetchone()
            assert row == (30, 30), EXPRESSIONS[number]
