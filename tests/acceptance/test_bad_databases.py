"""Databases that a job file does not fit: each is told in full, with its place or its GRANT, and nothing is touched."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg
import pytest

from tests.acceptance.bad_states import FILL, PREPARED, STATES
from tests.acceptance.command import backfill, job_text, serve_until, write
from tests.acceptance.worker import left, make_users, run_job, write_job
from tests.fixtures_postgres import Database
from tests.integration.jobs import run_sql

"""Each by its table's name. In its texts `{table}`, `{worker}`, `{database}` and `{temporary}` stand for names."""


def versions(connection: psycopg.Connection) -> list[tuple[str, str]]:
    """Return each table of the test with what changes when a row of it is written."""
    listed = (
        "select oid::regclass::text from pg_class where relkind = 'r' and relnamespace >= 16384 or relnamespace = 2200"
    )
    tables = [row[0] for row in connection.execute(listed + " and relkind = 'r' order by 1")]
    found = []
    for table in tables:
        if not table.startswith("backfill."):
            row = connection.execute(
                f"select md5(string_agg(ctid::text || xmin::text, ',' order by ctid)) from only {table}".encode()
            ).fetchone()
            assert row is not None
            found.append((table, row[0]))
    return found


@pytest.mark.timeout(180)
def test_each_is_reported_with_its_place_or_its_grant_and_no_row_is_touched(database: Database, tmp_path: Path):
    run_sql(database, *PREPARED)
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        connection.execute("create temporary table here_alone (username text, handle text)")
        row = connection.execute("select pg_my_temp_schema()::regnamespace::text").fetchone()
        assert row is not None
        names = {"worker": database.worker, "database": database.name, "temporary": row[0]}
        states = {table: one for table, one in STATES.items() if one.since <= connection.info.server_version}

        def batch_result(text: str, table: str) -> str:
            for name, value in {**names, "table": table}.items():
                text = text.replace(f"{{{name}}}", value)
            return text

        for table, one in states.items():
            connection.execute(batch_result(one.make, table).encode())
            assigned = {column: batch_result(value, table) for column, value in (one.assigned or FILL).items()}
            text = job_text(table, batch_result(one.table, table), assigned, one.where, *one.more)
            write(tmp_path / f"{table}.yaml", text)
        before = versions(connection)
        log = serve_until(tmp_path, database.worker_dsn, len(states), timeout_s=120)
        assert versions(connection) == before
    ends = [line for line in log if line["event"] == "job_ended"]
    said = {
        table: (end["exit_code"], end["why"].removeprefix(f"{tmp_path}/{table}.yaml:"))
        for table, end in zip(sorted(states), ends, strict=True)
    }
    names["column"] = said["nested_too_deep"][1].split(":")[1]  # the server's own affair
    assert said == {table: (one.code, batch_result(one.said, table)) for table, one in sorted(states.items())}
    begun = sorted(table for table, one in states.items() if one.code == 4)
    assert [name for (name,) in database.query("select name from backfill.job order by name")] == begun


def test_a_grant_that_was_reported_is_enough(database: Database, tmp_path: Path):
    """Whoever runs the statements as they come ends with a job that is done."""
    database.query("create schema hidden")
    database.query(f"revoke usage on schema hidden from {database.worker}")
    database.query("create sequence hidden.numbers")
    database.query("create table hidden.names (name text)")
    database.query(f"revoke select on hidden.names from {database.worker}")
    database.query("create function hidden.made(text) returns text language sql as 'select $1'")
    database.query("revoke execute on function hidden.made from public")
    make_users(database, 100)
    value = "hidden.made(username) || (SELECT max(name) FROM hidden.names) || nextval('hidden.numbers')"
    path = write(tmp_path / "job.yaml", job_text("told", "users", {"handle": value}, "handle IS NULL"))
    database.query("insert into hidden.names values ('-')")
    told = []
    for _ in range(6):
        ended = backfill("run", path, "--json", "--http", "off", dsn=database.worker_dsn)
        if ended.code == 0:
            break
        told.append(ended.stderr)
        grants = re.findall(r"run: (GRANT .*;)$", ended.stderr, re.MULTILINE)
        assert len(grants) == 1, ended
        database.query(grants[0])
    assert ended.code == 0, told
    assert len(told) == 4
    assert database.query("select count(*) from users where handle is null") == [(0,)]


def test_row_security_hides_nothing_from_an_owner_or_from_one_who_may_bypass_it(database: Database, tmp_path: Path):
    make_users(database, 200)
    database.query("alter table users enable row level security")
    database.query("create policy few on users using (id > 100)")
    database.query(f"alter table users owner to {database.worker}")
    path = write_job(tmp_path)
    with run_job(database.worker_dsn, path) as worker:
        assert worker.end() == 0, worker.stderr
    assert left(database) == 0
    database.query("alter table users owner to postgres")
    database.query(f"grant select, update on users to {database.worker}")
    database.query("update users set handle = null")
    database.query(f"alter role {database.worker} bypassrls")
    with run_job(database.worker_dsn, path) as worker:
        assert worker.end() == 0, worker.stderr
    assert left(database) == 0
