"""The real session keeps what the fake is believed to keep."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

import pytest

from backfill.engine.ports import JobSession
from backfill.postgres.work.job_session import open_job
from tests.fixtures_postgres import Database
from tests.integration.jobs import job_file, make_users, run_sql
from tests.session_contract import CONTRACT, MAX_ROWS, ROWS, Connect

pytestmark = pytest.mark.anyio


@pytest.fixture
def users(shared: Database) -> Database:
    """The contract's table, and no job in the state schema."""
    run_sql(shared, "drop table if exists users cascade", "drop schema if exists backfill cascade")
    make_users(shared, ROWS)
    return shared


@pytest.mark.parametrize("check", CONTRACT, ids=lambda check: check.__name__)
async def test_the_real_session_keeps_the_contract(users: Database, check):
    job = job_file(sync="trigger", batch={"rows": MAX_ROWS, "max_rows": MAX_ROWS})

    def connect() -> AbstractAsyncContextManager[JobSession]:
        return open_job(users.dsn, job)  # without its lock: one check is about a worker that has lost it

    given: Connect = connect
    await check(given)
