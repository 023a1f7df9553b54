"""Rows that a real server refuses: set aside with the checkpoint, counted by the proof, found again by their keys."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import anyio
import pytest

from backfill.engine.ports import Runtime
from backfill.engine.retry_rejected import RetryRejectedRun
from backfill.engine.supervisor import JobSupervisor
from backfill.events.batch import BatchDone, BatchRefused, RowRejected, RowRetried
from backfill.events.event import Event
from backfill.events.job import Finished, PassDone, Verified
from backfill.jobfile.job import Job
from backfill.jobfile.load import JobFile
from backfill.postgres.work.job_session import PgJobSession as Session
from backfill.retry.sqlstate import timed_out
from backfill.table.batch import RejectedRow
from backfill.table.checkpoint import Checkpoint, Tid
from backfill.table.row_counts import BatchRange
from backfill.values.errors import Halted, RowRefused, StatementRefused, TableRewritten
from tests.fixtures_postgres import Database
from tests.integration.jobs import (
    asleep,
    fill,
    function_job,
    job_file,
    make_users,
    next_pass,
    open_leaf,
    run,
    run_sql,
    session,
)

pytestmark = pytest.mark.anyio

ROWS = 2000
SKIP: dict[str, Any] = {"on_row_error": "skip", "throttle": {"replicas": {"ignore": ["*"]}}}
WORDS = StatementRefused("new row violates it\nDETAIL:  this one", "23514")


@pytest.fixture
def users(shared: Database) -> Database:
    run_sql(
        shared,
        "drop table if exists users, accounts, kinds, other cascade",
        "drop function if exists never cascade",
        "drop schema if exists backfill cascade",
    )
    make_users(shared, ROWS)
    return shared


def rejected(database: Database) -> list[tuple[Any, ...]]:
    return database.query("select key, sqlstate, pass_number from backfill.rejected order by tid")


async def aside(worker: Session, checkpoint: Checkpoint, tid: Tid, end: Tid | None = None) -> Checkpoint:
    """Set the row at an address aside."""
    batch_range = BatchRange(end or Tid(tid.page, tid.offset + 1), 1, tids=(tid,))
    return (await worker.reject_row(checkpoint, batch_range, WORDS)).checkpoint


def told(events: list[Event], kind: type[Any]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


async def test_a_row_is_set_aside_in_the_transaction_that_moves_the_place(users: Database):
    async with session(users.dsn, job_file()) as worker:
        checkpoint = (await open_leaf(worker)).checkpoints[0]
        after = await aside(worker, checkpoint, Tid(0, 3))
        assert (after.next, after.sequence) == (Tid(0, 4), checkpoint.sequence + 1)
        assert rejected(users) == [('{"id": 3}', "23514", 1)]
        assert users.query("select next_tid::text from backfill.checkpoint") == [("(0,4)",)]
        assert users.query("select tid::text, message from backfill.rejected") == [("(0,3)", str(WORDS))]
        again = await aside(worker, after, Tid(0, 3), Tid(0, 9))
        assert again.next == Tid(0, 9)
        assert len(rejected(users)) == 1


async def test_a_row_that_is_gone_by_then_is_left_behind_and_not_kept(users: Database):
    async with session(users.dsn, job_file()) as worker:
        checkpoint = (await open_leaf(worker)).checkpoints[0]
        run_sql(users, "delete from users where id = 3")
        moved = await worker.reject_row(checkpoint, BatchRange(Tid(0, 4), 1, tids=(Tid(0, 3),)), WORDS)
        assert (moved.key, moved.checkpoint.next, rejected(users)) == (None, Tid(0, 4), [])


async def test_on_a_table_that_was_rewritten_nothing_is_set_aside(users: Database):
    async with session(users.dsn, job_file()) as worker:
        checkpoint = (await open_leaf(worker)).checkpoints[0]
        run_sql(users, "vacuum full users")
        with pytest.raises(TableRewritten):
            await aside(worker, checkpoint, Tid(0, 3))
        assert rejected(users) == []


async def test_a_pass_that_starts_again_forgets_what_was_set_aside(users: Database):
    async with session(users.dsn, job_file()) as worker:
        checkpoint = (await open_leaf(worker)).checkpoints[0]
        checkpoint = await aside(worker, checkpoint, Tid(0, 3))
        run_sql(users, "vacuum full users")
        await worker.reopen((checkpoint,))
        assert rejected(users) == []


async def test_more_than_the_job_allows_change_nothing(users: Database):
    async with session(users.dsn, job_file(max_rejected=2)) as worker:
        checkpoint = (await open_leaf(worker)).checkpoints[0]
        checkpoint = await aside(worker, checkpoint, Tid(0, 1))
        checkpoint = await aside(worker, checkpoint, Tid(0, 2))
        checkpoint = await aside(worker, checkpoint, Tid(0, 2))
        with pytest.raises(
            Halted, match=r"rejected rows 3 > 2 \(max_rejected\): so many .* is \{\"id\": 3\} of public"
        ):
            await aside(worker, checkpoint, Tid(0, 3))
        assert len(rejected(users)) == 2
        assert users.query("select next_tid::text, sequence from backfill.checkpoint") == [
            ("(0,3)", checkpoint.sequence)
        ]


async def test_rows_of_an_earlier_pass_do_not_count_against_the_bound_until_they_are_met(users: Database):
    async with session(users.dsn, job_file(max_rejected=1)) as worker:
        checkpoint = (await open_leaf(worker)).checkpoints[0]
        checkpoint = await next_pass(worker, await aside(worker, checkpoint, Tid(0, 1)))
        moved = await worker.reject_row(checkpoint, BatchRange(Tid(0, 3), 1, tids=(Tid(0, 2),)), WORDS)
        assert moved.rows_rejected == 1
        assert [row[2] for row in rejected(users)] == [1, 2]


async def test_restart_forgets_what_was_set_aside(users: Database):
    async with session(users.dsn, job_file()) as worker:
        await aside(worker, (await open_leaf(worker)).checkpoints[0], Tid(0, 3))
    async with session(users.dsn, job_file(), restart=True) as worker:
        await worker.begin()
        assert rejected(users) == []


async def test_the_proof_counts_rows_aside_and_asks_them_nothing(users: Database):
    """`set` fails on them: asked what it makes of them, the read would fail."""
    run_sql(
        users,
        "update users set username = 'x' where id in (3, 4)",
        "update users set username = id where id not in (3, 4)",
    )
    run_sql(users, "update users set username = null where id = 7", "vacuum full users")
    job = job_file(set={"handle": "username::int::text"})
    found = users.query("select id, ctid::text from users where id in (3, 4) order by id")
    tids = [Tid.parse(tid) for _, tid in found]
    async with session(users.dsn, job) as worker:
        checkpoint = (await open_leaf(worker)).checkpoints[0]
        for tid in sorted(tids):
            checkpoint = await aside(worker, checkpoint, tid)
        with pytest.raises(StatementRefused, match="invalid input syntax"):
            await worker.verify(2)
        assert rejected(users) == [], "a pass that did not meet them"
        for tid in sorted(tids):
            checkpoint = await aside(worker, checkpoint, tid)
        proof = await worker.verify(1)
        assert (proof.rows_left, proof.rows_rejected, proof.rows_unconverged) == (ROWS, 2, 1)
        assert len(proof.rejected) == 2
        assert '{"id": 3}' not in proof.samples


async def test_the_proof_forgets_rows_that_match_no_more(users: Database):
    async with session(users.dsn, job_file()) as worker:
        checkpoint = (await open_leaf(worker)).checkpoints[0]
        for offset in (1, 2, 3, 4):
            checkpoint = await aside(worker, checkpoint, Tid(0, offset))
        run_sql(
            users,
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
        assert [key for key, *_ in rejected(users)] == ['{"id": 4}']


async def test_joined_rows_aside_are_counted_apart_from_those_that_cannot_converge(users: Database):
    run_sql(
        users,
        "create table accounts (id bigint primary key, name text)",
        "insert into accounts select id, case when id % 500 <> 0 then 'n' || id end from users where id <> 9",
        "vacuum analyze accounts",
    )
    job = job_file(using={"table": "accounts", "on": "accounts.id = users.id"}, set={"handle": "accounts.name"})
    async with session(users.dsn, job) as worker:
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
async def test_rows_are_found_again_by_keys_of_every_type_wherever_they_are(users: Database):
    for number, (kind, value) in enumerate(KEYS.items()):
        table = f"kinds_{number}"
        run_sql(
            users,
            f"drop table if exists {table}",
            f'create table {table} ("the id" {kind}, part int, username text, handle text, primary key (part, "the id"))',
            f"insert into {table} select {value}, i, 'u', null from generate_series(1, 3) i",
        )
        job = job_file(name=f"kinds-{number}", table=table)
        async with session(users.dsn, job) as worker:
            checkpoint = (await open_leaf(worker)).checkpoints[0]
            await aside(worker, checkpoint, Tid(0, 2))
            [row] = await worker.read_rejected()
            assert await worker.find_rejected(row) == Tid(0, 2), kind
            run_sql(users, f"update {table} set username = 'v'")
            assert await worker.find_rejected(row) == Tid(0, 5), kind
            run_sql(users, f"update {table} set handle = 'by hand' where part = 2")
            assert await worker.find_rejected(row) is None, kind
            run_sql(users, f"drop table {table}")


async def test_a_row_without_a_key_is_found_by_its_address_while_it_matches(users: Database):
    run_sql(users, "alter table users drop constraint users_pkey")
    async with session(users.dsn, job_file()) as worker:
        checkpoint = (await open_leaf(worker)).checkpoints[0]
        await aside(worker, checkpoint, Tid(0, 2))
        [row] = await worker.read_rejected()
        assert (row.key, await worker.find_rejected(row)) == ("(0,2)", Tid(0, 2))
        run_sql(users, "update users set handle = 'by hand' where id = 2")
        assert await worker.find_rejected(row) is None


async def test_a_key_of_any_length_is_kept(users: Database):
    run_sql(
        users,
        "create table kinds (id text primary key, username text, handle text)",
        "insert into kinds select string_agg(md5(i::text), '\"'), 'u', null from generate_series(1, 70) i",
    )
    async with session(users.dsn, job_file(table="kinds")) as worker:
        checkpoint = (await open_leaf(worker)).checkpoints[0]
        await aside(worker, checkpoint, Tid(0, 1))
        [row] = await worker.read_rejected()
        assert len(row.key) > 2000
        assert await worker.find_rejected(row) == Tid(0, 1)


@pytest.mark.parametrize("where", ["handle IS NULL", "handle IS NULL AND ctid IS NOT NULL"])
async def test_a_job_with_rows_that_its_expression_fails_on_and_rows_that_come_late_ends(users: Database, where: str):
    """The second pass asks what an UPDATE would make of each row, and of the bad one it makes an error."""
    run_sql(
        users,
        "update users set username = id where id <> 900",
        "update users set username = null where id = 1200",
        "vacuum full users",
    )
    late = iter([True])

    def disturb() -> None:
        if next(late, False):
            run_sql(users, "insert into users values (5000, '5000', 'late', null)")

    job = job_file(set={"handle": "username::int::text"}, where=where, **SKIP)
    finished, events = await run_beside(users, job, disturb)
    assert (finished.state, finished.rows_rejected, finished.rows_unconverged) == ("unconverged", 1, 1)
    assert len(told(events, PassDone)) >= 2
    assert users.query("select id from users where handle is null order by id") == [(900,), (1200,)]
    assert [key for key, *_ in rejected(users)] == ['{"id": 900}']


async def run_beside(database: Database, job: JobFile, disturb: Any) -> tuple[Finished, list[Event]]:
    """Run a job, and do something as its first pass ends."""
    events: list[Event] = []

    def record(event: Event) -> None:
        events.append(event)
        if isinstance(event, PassDone):
            disturb()

    runtime = Runtime(record=record, now_s=time.monotonic, sleep=anyio.sleep, jitter=lambda: 0.5)
    finished = await JobSupervisor(job.job, lambda: Session(database.dsn, job), runtime, wait_for_lock=True).run()
    return finished, events


@pytest.mark.parametrize("stripes", [1, 4, "auto"])
@pytest.mark.parametrize("lanes", [1, 2])
async def test_a_check_a_unique_index_and_a_deferred_reference_are_searched_in_any_layout(
    users: Database, stripes: int | str, lanes: int
):
    run_sql(
        users,
        "create table other (name text primary key)",
        "insert into other select username from users where id <> 700",
        "update users set username = 'user1' where id = 1500",
        "vacuum full users",
        "alter table users add check (handle <> 'user900'), add unique (handle),"
        " add foreign key (handle) references other deferrable initially deferred",
        "analyze users",
    )
    job = job_file(batch={"stripes": stripes, "rows": 300, "max_rows": 500, "min_rows": 50}, lanes=lanes, **SKIP)
    finished, events = await run(users.worker_dsn, job)
    assert (finished.state, finished.rows_rejected) == ("unconverged", 3)
    refused = {key: sqlstate for key, sqlstate, _ in rejected(users)}
    assert refused == {'{"id": 700}': "23503", '{"id": 900}': "23514"} | {
        key: "23505" for key in ('{"id": 1}', '{"id": 1500}') if key in refused
    }
    assert len(refused) == 3
    assert users.query("select count(*) from users where handle = username") == [(ROWS - 3,)]
    searches = [event for event in told(events, BatchRefused) if event.rows == event.rows_searched]
    assert len(searches) <= 6
    assert len(told(events, BatchRefused)) <= 3 * 13
    assert [event.rows_rejected for event in told(events, Verified)] == [3]


async def test_a_value_of_a_row_function_that_the_server_refuses_is_told_with_its_row(users: Database, tmp_path: Path):
    module = "def f(rows):\n    return [row['username'] for row in rows]\n"
    run_sql(users, "alter table users add check (handle <> 'user900')")
    keys: dict[str, Any] = {"throttle": SKIP["throttle"]}
    with pytest.raises(RowRefused) as raised:
        await run(users.worker_dsn, function_job(tmp_path, module, **keys))
    assert str(raised.value).startswith(
        'row {"id": 900} of public.users is refused by the server: new row for relation'
    )
    assert 'it would be set to {"handle": "user900"}' in str(raised.value)
    job = function_job(tmp_path, module, **SKIP)
    finished, _ = await run(users.worker_dsn, job)
    assert finished.rows_rejected == 1
    assert users.query("select id from users where handle is null") == [(900,)]
    assert await again(users, job) == {'{"id": 900}': "refused"}
    run_sql(users, "update users set username = 'mended' where id = 900")
    assert await again(users, job) == {'{"id": 900}': "filled"}
    assert users.query("select handle from users where id = 900") == [("mended",)]


async def again(database: Database, job: JobFile) -> dict[str, str]:
    """Try the rows again that are set aside; return what became of each."""
    events: list[Event] = []
    runtime = Runtime(record=events.append, now_s=time.monotonic, sleep=anyio.sleep, jitter=lambda: 0.5)
    async with Session(database.dsn, job) as worker:
        await RetryRejectedRun(job.job, worker, runtime).run()
    return {event.key: event.result for event in told(events, RowRetried)}


async def test_what_a_row_would_be_set_to_is_told_or_why_not(users: Database):
    run_sql(users, "alter table users alter handle type varchar(6)", "update users set username = 'u' where id <> 900")
    words = {
        "username": 'it would be set to {"handle": "user900"}',
        "username || (1 / (id - 900))::text": "what it would be set to is not known: 'set' itself fails on it",
        "username || to_char(clock_timestamp(), 'YYYY')": "what it would be set to is not known: 'set' gives another value"
        " each time",
    }
    for expression, said in words.items():
        job = job_file(set={"handle": expression}, name=f"job-{len(said)}", throttle=SKIP["throttle"])
        with pytest.raises(RowRefused) as raised:
            await run(users.worker_dsn, job)
        assert 'row {"id": 900} of public.users is refused by the server: ' in str(raised.value)
        assert said in str(raised.value)


async def test_a_condition_that_fails_on_a_row_is_searched_down_to_it(users: Database):
    run_sql(users, "update users set username = id where id <> 900", "vacuum full users")
    job = job_file(where="handle IS NULL AND username::int > 0", **SKIP)
    with pytest.raises(RowRefused) as raised:
        await run(users.worker_dsn, job)
    assert str(raised.value).startswith(
        '\'where\' fails on row {"id": 900} of public.users: invalid input syntax for type integer: "user900"'
    )
    assert rejected(users) == []


async def test_the_time_tells_a_timeout_from_a_person(users: Database):
    job = job_file(set={"handle": "pg_sleep(60)::text"}, statement_timeout="1s", lock_timeout="500ms", **SKIP)
    async with session(users.dsn, job) as worker:
        checkpoint = (await open_leaf(worker)).checkpoints[0]
        with pytest.raises(StatementRefused) as raised:
            await fill(worker, checkpoint, BatchRange(Tid(0, 3), 1, tids=(Tid(0, 1),)))
        assert timed_out(raised.value.sqlstate, raised.value.took_s, 1.0)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(cancel, users)
            with pytest.raises(StatementRefused) as raised:
                await fill(worker, checkpoint, BatchRange(Tid(0, 3), 1, tids=(Tid(0, 1),)))
        assert raised.value.sqlstate == "57014"
        assert not timed_out(raised.value.sqlstate, raised.value.took_s, 1.0)


async def cancel(database: Database) -> None:
    """Cancel what the worker does, as a person would."""
    pid = await asleep(database)
    database.query("select pg_cancel_backend(%s)", pid)


async def test_a_job_of_before_the_key_existed_has_its_default():
    limits = {"name": "x", "table": "t", "set": {"a": "b"}, "where": "a IS NULL"}
    assert Job.model_validate(limits).max_rejected == 1000


async def test_rows_of_a_partition_that_is_gone_are_forgotten(users: Database):
    async with session(users.dsn, job_file()) as worker:
        await aside(worker, (await open_leaf(worker)).checkpoints[0], Tid(0, 3))
        users.query("update backfill.rejected set leaf = 'public.users_2019'")
        await worker.leaves()
        assert rejected(users) == []


async def test_events_of_a_search_tell_its_first_batch_and_the_row(users: Database):
    run_sql(users, "alter table users add check (handle <> 'user900')")
    _, events = await run(users.worker_dsn, job_file(**SKIP))
    first, *_ = told(events, BatchRefused)
    assert (first.reason, first.rows) == ("23514", first.rows_searched)
    assert 'violates check constraint "users_handle_check"' in first.message
    [row] = told(events, RowRejected)
    assert (row.key, row.reason, row.rows_rejected) == ('{"id": 900}', "23514", 1)
    assert sum(event.rows for event in told(events, BatchDone)) == ROWS - 1
    assert RejectedRow(row.key, Tid(0, 1), 1, row.message).told.endswith('"users_handle_check"')
