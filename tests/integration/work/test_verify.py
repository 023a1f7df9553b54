"""The proof: one read of the whole table, as long as it takes, that ends when it is told to."""

from __future__ import annotations

import asyncio
import json

import pytest

from backfill.table.checkpoint import Tid
from backfill.table.row_counts import BatchRange
from backfill.values.errors import StatementRefused
from tests.fixtures_postgres import Database
from tests.integration.jobs import asleep, fill, job_file, make_users, open_leaf, run_sql, session
from tests.integration.worker import Worker as Session

pytestmark = pytest.mark.anyio

ROWS = 3000


@pytest.fixture
def users(shared: Database) -> Database:
    """Table users anew, and no job in the state schema."""
    run_sql(shared, "drop table if exists users cascade", "drop schema if exists backfill cascade")
    make_users(shared, ROWS)
    return shared


async def test_nothing_is_left(users: Database):
    run_sql(users, "update users set handle = username")
    async with Session(users.dsn, job_file()) as worker:
        found = await worker.verify(1)
    assert (found.rows_left, found.rows_unconverged, found.samples) == (0, 0, ())
    assert 0 < found.took_s < 30


async def test_what_is_left_and_what_no_update_would_fix(users: Database):
    run_sql(
        users, "update users set username = null where id % 100 = 0", "update users set handle = '' where id > 1000"
    )
    async with Session(users.dsn, job_file()) as worker:
        found = await worker.verify(1)
    assert (found.rows_left, found.rows_unconverged) == (1000, 10)
    assert len(found.samples) == 5
    samples = [json.loads(sample) for sample in found.samples]
    assert all(sample.keys() == {"id"} and 0 < sample["id"] <= 1000 for sample in samples)
    assert len({sample["id"] for sample in samples}) == 5


async def test_few_rows_that_are_left_are_shown(users: Database):
    run_sql(users, "update users set handle = username where id not in (7, 2999)")
    async with Session(users.dsn, job_file()) as worker:
        found = await worker.verify(1)
    assert (found.rows_left, found.rows_unconverged) == (2, 0)
    assert set(found.samples) <= {'{"id": 7}', '{"id": 2999}'}
    assert found.samples


async def test_rows_without_a_key_are_shown_by_their_address(users: Database):
    run_sql(users, "alter table users drop constraint users_pkey", "update users set handle = '' where id > 1")
    async with Session(users.dsn, job_file()) as worker:
        assert (await worker.verify(1)).samples == ("(0,1)",)


async def test_what_cannot_be_foreseen_is_not_said(users: Database):
    async with Session(users.dsn, job_file(where="handle IS NULL AND ctid < '(3,0)'")) as worker:
        found = await worker.verify(1)
    assert found.rows_unconverged is None
    assert users.query("select count(*) from users where ctid < '(3,0)'") == [(found.rows_left,)]


async def test_rows_of_tables_that_inherit_are_not_counted(users: Database):
    run_sql(users, "create table heirs () inherits (users)", "insert into heirs values (1, 'a', '')")
    async with Session(users.dsn, job_file()) as worker:
        assert (await worker.verify(1)).rows_left == ROWS


SLOWLY = "handle IS NULL AND (id <> 1 OR pg_sleep({}) IS NOT NULL)"


async def test_the_proof_may_take_longer_than_a_statement(users: Database):
    job = job_file(where=SLOWLY.format(1.3), statement_timeout="1s", lock_timeout="500ms")
    async with session(users.dsn, job) as worker:
        found = await worker.verify(1)
        assert found.rows_left == ROWS
        assert found.took_s > 1.2
        checkpoint = (await open_leaf(worker)).checkpoints[0]
        with pytest.raises(StatementRefused) as caught:  # a batch may not
            await fill(worker, checkpoint, BatchRange(end=Tid(1), rows=1))
        assert caught.value.sqlstate == "57014"


async def test_the_proof_is_interrupted_and_a_batch_is_not(users: Database):
    async with session(users.dsn, job_file(where=SLOWLY.format(60))) as worker:
        proof = asyncio.ensure_future(worker.verify(1))
        await asleep(users)
        await worker.interrupt()
        with pytest.raises(StatementRefused) as caught:
            await proof
        assert caught.value.sqlstate == "57014"
    async with session(users.dsn, job_file(where=SLOWLY.format(0.3), name="other", batch={"stripes": 1})) as worker:
        batch = asyncio.ensure_future(
            fill(worker, (await open_leaf(worker)).checkpoints[0], BatchRange(end=Tid(1), rows=1))
        )
        await asleep(users)
        await worker.interrupt()
        assert (await batch).rows > 0
