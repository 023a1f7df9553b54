"""Table users for row functions; none of their processes is left behind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fixtures_postgres import Database
from tests.integration.jobs import (
    make_users,
    run_sql,
)
from tests.integration.mapping.function_jobs import ROWS, children


@pytest.fixture
def users(shared: Database) -> Database:
    run_sql(
        shared,
        "drop table if exists users, touched cascade",
        "drop function if exists touch",
        "drop schema if exists backfill cascade",
    )
    make_users(shared, ROWS)
    return shared


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    yield
    assert children() == []
