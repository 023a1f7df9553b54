"""Rows that a real server refuses: set aside with the checkpoint, counted by the proof, found again by their keys."""

from __future__ import annotations

import pytest

from backfill.jobfile.job import Job
from backfill.table.checkpoint import Tid
from backfill.table.row_counts import BatchRange
from backfill.values.errors import Halted, StatementRefused, TableRewritten
from tests.fixtures_postgres import Database
from tests.integration.jobs import (
    job_file,
    next_pass,
    open_leaf,
    run_sql,
    session,
)
from tests.integration.work.rejecting import ROWS, WORDS, aside, rejected

pytestmark = pytest.mark.anyio


async def test_a_row_is_rejected_in_the_transaction_that_moves_the_position(rejecting_users: Database):
    async with session(rejecting_users.dsn, job_file()) as worker:
        checkpoint = (await open_leaf(worker)).checkpoints[0]
        after = await aside(worker, checkpoint, Tid(0, 3))
        assert (after.next, after.sequence) == (Tid(0, 4), checkpoint.sequence + 1)
        assert rejected(rejecting_users) == [('{"id": 3}', "23514", 1)]
        assert rejecting_users.query("select next_tid::text from backfill.checkpoint") == [("(0,4)",)]
        assert rejecting_users.query("select tid::text, message from backfill.rejected") == [("(0,3)", str(WORDS))]
        again = await aside(worker, after, Tid(0, 3), Tid(0, 9))
        assert again.next == Tid(0, 9)
        assert len(rejected(rejecting_users)) == 1


async def test_a_row_that_is_gone_by_then_is_left_behind_and_not_kept(rejecting_users: Database):
    async with session(rejecting_users.dsn, job_file()) as worker:
        checkpoint = (await open_leaf(worker)).checkpoints[0]
        run_sql(rejecting_users, "delete from users where id = 3")
        moved = await worker.reject_row(checkpoint, BatchRange(end=Tid(0, 4), rows=1, tids=(Tid(0, 3),)), WORDS)
        assert (moved.key, moved.checkpoint.next, rejected(rejecting_users)) == (None, Tid(0, 4), [])


async def test_on_a_table_that_was_rewritten_nothing_is_rejected(rejecting_users: Database):
    async with session(rejecting_users.dsn, job_file()) as worker:
        checkpoint = (await open_leaf(worker)).checkpoints[0]
        run_sql(rejecting_users, "vacuum full users")
        with pytest.raises(TableRewritten):
            await aside(worker, checkpoint, Tid(0, 3))
        assert rejected(rejecting_users) == []


async def test_a_pass_that_starts_again_forgets_what_was_rejected(rejecting_users: Database):
    async with session(rejecting_users.dsn, job_file()) as worker:
        checkpoint = (await open_leaf(worker)).checkpoints[0]
        checkpoint = await aside(worker, checkpoint, Tid(0, 3))
        run_sql(rejecting_users, "vacuum full users")
        await worker.reopen((checkpoint,))
        assert rejected(rejecting_users) == []


async def test_more_than_the_job_allows_change_nothing(rejecting_users: Database):
    async with session(rejecting_users.dsn, job_file(max_rejected=2)) as worker:
        checkpoint = (await open_leaf(worker)).checkpoints[0]
        checkpoint = await aside(worker, checkpoint, Tid(0, 1))
        checkpoint = await aside(worker, checkpoint, Tid(0, 2))
        checkpoint = await aside(worker, checkpoint, Tid(0, 2))
        with pytest.raises(
            Halted, match=r"rejected rows 3 > 2 \(max_rejected\): that many .* is \{\"id\": 3\} of public"
        ):
            await aside(worker, checkpoint, Tid(0, 3))
        assert len(rejected(rejecting_users)) == 2
        assert rejecting_users.query("select next_tid::text, sequence from backfill.checkpoint") == [
            ("(0,3)", checkpoint.sequence)
        ]


async def test_rows_of_an_earlier_pass_do_not_count_against_the_bound_until_they_are_met(rejecting_users: Database):
    async with session(rejecting_users.dsn, job_file(max_rejected=1)) as worker:
        checkpoint = (await open_leaf(worker)).checkpoints[0]
        checkpoint = await next_pass(worker, await aside(worker, checkpoint, Tid(0, 1)))
        moved = await worker.reject_row(checkpoint, BatchRange(end=Tid(0, 3), rows=1, tids=(Tid(0, 2),)), WORDS)
        assert moved.rows_rejected == 1
        assert [row[2] for row in rejected(rejecting_users)] == [1, 2]


async def test_restart_forgets_what_was_rejected(rejecting_users: Database):
    async with session(rejecting_users.dsn, job_file()) as worker:
        await aside(worker, (await open_leaf(worker)).checkpoints[0], Tid(0, 3))
    async with session(rejecting_users.dsn, job_file(), restart=True) as worker:
        await worker.begin()
        assert rejected(rejecting_users) == []


async def test_the_proof_counts_rejected_rows_and_asks_them_nothing(rejecting_users: Database):
    """`set` fails on them: asked what it makes of them, the read would fail."""
    run_sql(
        rejecting_users,
        "update users set username = 'x' where id in (3, 4)",
        "update users set username = id where id not in (3, 4)",
    )
    run_sql(rejecting_users, "update users set username = null where id = 7", "vacuum full users")
    job = job_file(set={"handle": "username::int::text"})
    found = rejecting_users.query("select id, ctid::text from users where id in (3, 4) order by id")
    tids = [Tid.parse(tid) for _, tid in found]
    async with session(rejecting_users.dsn, job) as worker:
        checkpoint = (await open_leaf(worker)).checkpoints[0]
        for tid in sorted(tids):
            checkpoint = await aside(worker, checkpoint, tid)
        with pytest.raises(StatementRefused, match="invalid input syntax"):
            await worker.verify(2)
        assert rejected(rejecting_users) == [], "a pass that did not meet them"
        for tid in sorted(tids):
            checkpoint = await aside(worker, checkpoint, tid)
        proof = await worker.verify(1)
        assert (proof.rows_left, proof.rows_rejected, proof.rows_unconverged) == (ROWS, 2, 1)
        assert len(proof.rejected) == 2
        assert '{"id": 3}' not in proof.samples


async def test_the_proof_forgets_rows_that_no_longer_match(rejecting_users: Database):
    async with session(rejecting_users.dsn, job_file()) as worker:
        checkpoint = (await open_leaf(worker)).checkpoints[0]
        for offset in (1, 2, 3, 4):
            checkpoint = await aside(worker, checkpoint, Tid(0, offset))
        run_sql(
            rejecting_users,
            "update users set handle = 'by hand' where id = 1",
            "delete from users where id = 2",
            "update users set email = 'moved' where id = 3",
        )
        proof = await worker.verify(1)
        assert (proof.rows_left, proof.rows_rejected, proof.rejected) == (
            ROWS - 2,
            1,
            ('{"id": 4}: new row violates it',),
        )
        assert [key for key, *_ in rejected(rejecting_users)] == ['{"id": 4}']


async def test_rejected_joined_rows_are_counted_apart_from_those_that_cannot_converge(rejecting_users: Database):
    run_sql(
        rejecting_users,
        "create table accounts (id bigint primary key, name text)",
        "insert into accounts select id, case when id % 500 <> 0 then 'n' || id end from users where id <> 9",
        "vacuum analyze accounts",
    )
    job = job_file(using={"table": "accounts", "on": "accounts.id = users.id"}, set={"handle": "accounts.name"})
    async with session(rejecting_users.dsn, job) as worker:
        checkpoint = (await open_leaf(worker)).checkpoints[0]
        await aside(worker, checkpoint, Tid(0, 3))
        proof = await worker.verify(1)
    assert (proof.rows_left, proof.rows_rejected, proof.rows_unconverged) == (ROWS, 1, 5)
    assert proof.rows_without_partner == 1


KEYS = {
    "bigint": "9007199254740993",
    "numeric": "12345678901234567890.1200",
    "double precision": "0.1::float8 + 0.2::float8",
    "text": "'it''s \"x\" \\ {} %s ' || chr(233)",
    "char(5)": "'ab'",
    "uuid": "gen_random_uuid()",
    "bytea": "'\\x00ff'",
    "date": "'2024-02-29'",
    "timestamptz": "'2024-01-01 12:34:56.789012+02'",
    "timestamp": "'infinity'",
    "interval": "'1 day 02:03:04.5'",
    "inet": "'10.0.0.1/8'",
    "int[]": "array[1, 2]",
    "int4range": "'[1,5)'",
    "boolean": "true",
    "oid": "4294967295",
    '"char"': "'c'",
}


@pytest.mark.oldest
async def test_rows_are_found_again_by_keys_of_every_type_wherever_they_are(rejecting_users: Database):
    for number, (kind, value) in enumerate(KEYS.items()):
        table = f"kinds_{number}"
        run_sql(
            rejecting_users,
            f"drop table if exists {table}",
            f'create table {table} ("the id" {kind}, part int, username text, handle text, primary key (part, "the id"))',
            f"insert into {table} select {value}, i, 'u', null from generate_series(1, 3) i",
        )
        job = job_file(name=f"kinds-{number}", table=table)
        async with session(rejecting_users.dsn, job) as worker:
            checkpoint = (await open_leaf(worker)).checkpoints[0]
            await aside(worker, checkpoint, Tid(0, 2))
            [row] = await worker.read_rejected()
            assert await worker.find_rejected(row) == Tid(0, 2), kind
            run_sql(rejecting_users, f"update {table} set username = 'v'")
            assert await worker.find_rejected(row) == Tid(0, 5), kind
            run_sql(rejecting_users, f"update {table} set handle = 'by hand' where part = 2")
            assert await worker.find_rejected(row) is None, kind
            run_sql(rejecting_users, f"drop table {table}")


async def test_a_row_without_a_key_is_found_by_its_address_while_it_matches(rejecting_users: Database):
    run_sql(rejecting_users, "alter table users drop constraint users_pkey")
    async with session(rejecting_users.dsn, job_file()) as worker:
        checkpoint = (await open_leaf(worker)).checkpoints[0]
        await aside(worker, checkpoint, Tid(0, 2))
        [row] = await worker.read_rejected()
        assert (row.key, await worker.find_rejected(row)) == ("(0,2)", Tid(0, 2))
        run_sql(rejecting_users, "update users set handle = 'by hand' where id = 2")
        assert await worker.find_rejected(row) is None


async def test_a_key_of_any_length_is_kept(rejecting_users: Database):
    run_sql(
        rejecting_users,
        "create table kinds (id text primary key, username text, handle text)",
        "insert into kinds select string_agg(md5(i::text), '\"'), 'u', null from generate_series(1, 70) i",
    )
    async with session(rejecting_users.dsn, job_file(table="kinds")) as worker:
        checkpoint = (await open_leaf(worker)).checkpoints[0]
        await aside(worker, checkpoint, Tid(0, 1))
        [row] = await worker.read_rejected()
        assert len(row.key) > 2000
        assert await worker.find_rejected(row) == Tid(0, 1)


async def test_a_job_of_before_the_key_existed_has_its_default():
    limits = {"name": "x", "table": "t", "set": {"a": "b"}, "where": "a IS NULL"}
    assert Job.model_validate(limits).max_rejected == 1000
