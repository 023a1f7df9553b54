"""A rejected row is found by its key with the key's own equality, in whatever schema that lies, by its index."""

from __future__ import annotations

import pytest
from psycopg.sql import SQL

from backfill.postgres.session.role_settings import execute_as_role
from tests.fixtures_postgres import Database
from tests.integration.jobs import connected, job_file, prepared, run_sql

pytestmark = pytest.mark.anyio


async def test_a_key_s_equality_is_that_of_its_index(shared: Database):
    run_sql(
        shared,
        "create schema extensions",
        "create extension citext schema extensions",
        "create table names (tenant int, name extensions.citext, username text, handle text, primary key (name, tenant))",
        "insert into names select i % 3, 'Name ' || i from generate_series(1, 20000) i",
        "vacuum analyze names",
    )
    job = job_file(table="names")
    values = {"key": '{"name": "NAME 7", "tenant": 1}', "tid": "(0,0)"}
    async with connected(shared.dsn, job) as connection:
        table, statements = await prepared(connection, job)
        found = await (await execute_as_role(connection, statements.find_rejected, values)).fetchall()
        explained = await execute_as_role(connection, SQL("EXPLAIN (COSTS OFF) ") + statements.find_rejected, values)
        plan = "\n".join(line for (line,) in await explained.fetchall())
    assert table.key_operators == ("OPERATOR(extensions.=)", "OPERATOR(pg_catalog.=)")
    assert found == [("(0,7)",)]
    assert "Index Scan using names_pkey" in plan
    assert "Index Cond: ((name OPERATOR(extensions.=) " in plan
