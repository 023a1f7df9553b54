"""Reading a table as a job does, or the sentence that refuses it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from backfill.postgres.catalog.table import read_table
from backfill.table.definition import Table
from backfill.values.identifier import TableName, quote
from tests.fixtures_postgres import Database
from tests.integration.jobs import connected, job_file, run_sql


@pytest.fixture
def schema(shared: Database) -> Iterator[str]:
    """A schema of one test, named so that forgetting to quote it shows."""
    name = f"S.{secrets.token_hex(4)}"
    run_sql(shared, f"create schema {quote(name)}")
    yield name
    run_sql(shared, f"drop schema if exists {quote(name)} cascade")


def table_of(schema: str, name: str = "users") -> str:
    return str(TableName(schema, name))


async def read(database: Database, *, user: str = "postgres", **keys: Any) -> Table:
    job = job_file(**keys)
    async with connected(database.dsn_for(user), job) as connection:
        return await read_table(connection, job, user)
