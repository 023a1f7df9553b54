"""Whole runs in which the server rejects rows: they are found, named and recorded, and the rest is filled."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import anyio
import pytest

from backfill.engine.ports import Runtime
from backfill.engine.supervisor import JobSupervisor
from backfill.events.batch import BatchDone, BatchRefused, RowRejected
from backfill.events.event import Event
from backfill.events.job import Finished, PassDone, Verified
from backfill.jobfile.load import JobFile
from backfill.postgres.work.job_session import open_job
from backfill.retry.sqlstate import timed_out
from backfill.table.batch import RejectedRow
from backfill.table.checkpoint import Tid
from backfill.table.row_counts import BatchRange
from backfill.values.errors import RowRefused, StatementRefused
from tests.fixtures_postgres import Database
from tests.integration.jobs import (
    asleep,
    fill,
    function_job,
    job_file,
    open_leaf,
    run,
    run_sql,
    session,
)
from tests.integration.work.rejecting import ROWS, again, aside, rejected, told

pytestmark = pytest.mark.anyio


SKIP: dict[str, Any] = {"on_row_error": "skip", "throttle": {"replicas": {"ignore": ["*"]}}}


@pytest.mark.parametrize("where", ["handle IS NULL", "handle IS NULL AND ctid IS NOT NULL"])
async def test_a_job_with_rows_that_its_expression_fails_on_and_rows_that_come_late_ends(
    rejecting_users: Database, where: str
):
    """The second pass asks what an UPDATE would make of each row, and of the bad one it makes an error."""
    run_sql(
        rejecting_users,
        "update users set username = id where id <> 900",
        "update users set username = null where id = 1200",
        "vacuum full users",
    )
    late = iter([True])

    def disturb() -> None:
        if next(late, False):
            run_sql(rejecting_users, "insert into users values (5000, '5000', 'late', null)")

    job = job_file(set={"handle": "username::int::text"}, where=where, **SKIP)
    finished, events = await run_beside(rejecting_users, job, disturb)
    assert (finished.state, finished.rows_rejected, finished.rows_unconverged) == ("unconverged", 1, 1)
    assert len(told(events, PassDone)) >= 2
    assert rejecting_users.query("select id from users where handle is null order by id") == [(900,), (1200,)]
    assert [key for key, *_ in rejected(rejecting_users)] == ['{"id": 900}']


async def run_beside(database: Database, job: JobFile, disturb: Any) -> tuple[Finished, list[Event]]:
    """Run a job, and do something as its first pass ends."""
    events: list[Event] = []

    def record(event: Event) -> None:
        events.append(event)
        if isinstance(event, PassDone):
            disturb()

    runtime = Runtime(record=record, now_s=time.monotonic, sleep=anyio.sleep, jitter=lambda: 0.5)
    finished = await JobSupervisor(job.job, lambda: open_job(database.dsn, job), runtime, wait_for_lock=True).run()
    return finished, events


@pytest.mark.parametrize("stripes", [1, 4, "auto"])
@pytest.mark.parametrize("lanes", [1, 2])
async def test_a_check_a_unique_index_and_a_deferred_reference_are_searched_in_any_layout(
    rejecting_users: Database, stripes: int | str, lanes: int
):
    run_sql(
        rejecting_users,
        "create table other (name text primary key)",
        "insert into other select username from users where id <> 700",
        "update users set username = 'user1' where id = 1500",
        "vacuum full users",
        "alter table users add check (handle <> 'user900'), add unique (handle),"
        " add foreign key (handle) references other deferrable initially deferred",
        "analyze users",
    )
    job = job_file(batch={"stripes": stripes, "rows": 300, "max_rows": 500, "min_rows": 50}, lanes=lanes, **SKIP)
    finished, events = await run(rejecting_users.worker_dsn, job)
    assert (finished.state, finished.rows_rejected) == ("unconverged", 3)
    refused = {key: sqlstate for key, sqlstate, _ in rejected(rejecting_users)}
    assert refused == {'{"id": 700}': "23503", '{"id": 900}': "23514"} | {
        key: "23505" for key in ('{"id": 1}', '{"id": 1500}') if key in refused
    }
    assert len(refused) == 3
    assert rejecting_users.query("select count(*) from users where handle = username") == [(ROWS - 3,)]
    searches = [event for event in told(events, BatchRefused) if event.rows == event.rows_searched]
    assert len(searches) <= 6
    assert len(told(events, BatchRefused)) <= 3 * 13
    assert [event.rows_rejected for event in told(events, Verified)] == [3]


async def test_a_value_of_a_row_function_that_the_server_refuses_is_reported_with_its_row(
    rejecting_users: Database, tmp_path: Path
):
    module = "def f(rows):\n    return [row['username'] for row in rows]\n"
    run_sql(rejecting_users, "alter table users add check (handle <> 'user900')")
    keys: dict[str, Any] = {"throttle": SKIP["throttle"]}
    with pytest.raises(RowRefused) as raised:
        await run(rejecting_users.worker_dsn, function_job(tmp_path, module, **keys))
    assert str(raised.value).startswith('the server rejected row {"id": 900} of public.users: new row for relation')
    assert 'it would be set to {"handle": "user900"}' in str(raised.value)
    job = function_job(tmp_path, module, **SKIP)
    finished, _ = await run(rejecting_users.worker_dsn, job)
    assert finished.rows_rejected == 1
    assert rejecting_users.query("select id from users where handle is null") == [(900,)]
    assert await again(rejecting_users, job) == {'{"id": 900}': "refused"}
    run_sql(rejecting_users, "update users set username = 'mended' where id = 900")
    assert await again(rejecting_users, job) == {'{"id": 900}': "filled"}
    assert rejecting_users.query("select handle from users where id = 900") == [("mended",)]


async def test_what_a_row_would_be_set_to_is_reported_or_why_not(rejecting_users: Database):
    run_sql(
        rejecting_users,
        "alter table users alter handle type varchar(6)",
        "update users set username = 'u' where id <> 900",
    )
    words = {
        "username": 'it would be set to {"handle": "user900"}',
        "username || (1 / (id - 900))::text": "its new value is unknown: 'set' itself fails on it",
        "username || to_char(clock_timestamp(), 'YYYY')": "its new value is unknown: 'set' gives another value"
        " each time",
    }
    for expression, said in words.items():
        job = job_file(set={"handle": expression}, name=f"job-{len(said)}", throttle=SKIP["throttle"])
        with pytest.raises(RowRefused) as raised:
            await run(rejecting_users.worker_dsn, job)
        assert 'the server rejected row {"id": 900} of public.users: ' in str(raised.value)
        assert said in str(raised.value)


async def test_a_condition_that_fails_on_a_row_is_searched_down_to_it(rejecting_users: Database):
    run_sql(rejecting_users, "update users set username = id where id <> 900", "vacuum full users")
    job = job_file(where="handle IS NULL AND username::int > 0", **SKIP)
    with pytest.raises(RowRefused) as raised:
        await run(rejecting_users.worker_dsn, job)
    assert str(raised.value).startswith(
        '\'where\' fails on row {"id": 900} of public.users: invalid input syntax for type integer: "user900"'
    )
    assert rejected(rejecting_users) == []


async def test_the_time_tells_a_timeout_from_a_person(rejecting_users: Database):
    job = job_file(set={"handle": "pg_sleep(60)::text"}, statement_timeout="1s", lock_timeout="500ms", **SKIP)
    async with session(rejecting_users.dsn, job) as worker:
        checkpoint = (await open_leaf(worker)).checkpoints[0]
        with pytest.raises(StatementRefused) as raised:
            await fill(worker, checkpoint, BatchRange(end=Tid(0, 3), rows=1, tids=(Tid(0, 1),)))
        assert timed_out(raised.value.sqlstate, raised.value.took_s, 1.0)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(cancel, rejecting_users)
            with pytest.raises(StatementRefused) as raised:
                await fill(worker, checkpoint, BatchRange(end=Tid(0, 3), rows=1, tids=(Tid(0, 1),)))
        assert raised.value.sqlstate == "57014"
        assert not timed_out(raised.value.sqlstate, raised.value.took_s, 1.0)


async def cancel(database: Database) -> None:
    """Cancel what the worker does, as a person would."""
    pid = await asleep(database)
    database.query("select pg_cancel_backend(%s)", pid)


async def test_rows_of_a_partition_that_is_gone_are_forgotten(rejecting_users: Database):
    async with session(rejecting_users.dsn, job_file()) as worker:
        await aside(worker, (await open_leaf(worker)).checkpoints[0], Tid(0, 3))
        rejecting_users.query("update backfill.rejected set leaf = 'public.users_2019'")
        await worker.leaves()
        assert rejected(rejecting_users) == []


async def test_events_of_a_search_report_its_first_batch_and_the_row(rejecting_users: Database):
    run_sql(rejecting_users, "alter table users add check (handle <> 'user900')")
    _, events = await run(rejecting_users.worker_dsn, job_file(**SKIP))
    first, *_ = told(events, BatchRefused)
    assert (first.reason, first.rows) == ("23514", first.rows_searched)
    assert 'violates check constraint "users_handle_check"' in first.message
    [row] = told(events, RowRejected)
    assert (row.key, row.reason, row.rows_rejected) == ('{"id": 900}', "23514", 1)
    assert sum(event.rows for event in told(events, BatchDone)) == ROWS - 1
    assert RejectedRow(key=row.key, tid=Tid(0, 1), pass_number=1, message=row.message).summary.endswith(
        '"users_handle_check"'
    )
