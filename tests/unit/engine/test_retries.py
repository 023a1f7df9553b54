"""Proves what follows a failed step: another attempt, a smaller batch, another session, or the end of the run."""

from __future__ import annotations

import asyncio

import pytest

from backfill.events.job import PassRestarted, RetryScheduled
from backfill.events.throttle import WaitStarted
from backfill.throttle.wait_reason import WaitKind
from backfill.values.errors import (
    ConnectionLost,
    Halted,
    StatementRefused,
    Superseded,
)
from tests.factories import replica
from tests.unit.engine.loop import (
    DEADLOCK,
    LOCK_TIMEOUT,
    SERIALIZATION,
    STATEMENT_TIMEOUT,
    Loop,
    late,
    made,
    refused,
)


@pytest.mark.parametrize("sqlstate", [LOCK_TIMEOUT, STATEMENT_TIMEOUT, DEADLOCK, SERIALIZATION])
def test_what_another_attempt_may_fix_is_tried_again(sqlstate: str):
    database = made(100)
    database.accidents["run_batch"] += [refused(sqlstate)] * 3
    loop = Loop(database)
    loop.run()
    assert database.fills == dict.fromkeys(range(100), 1)
    retries = loop.told(RetryScheduled)
    assert [(event.reason, event.attempt) for event in retries] == [(sqlstate, 1), (sqlstate, 2), (sqlstate, 3)]
    assert [event.delay_s for event in retries] == pytest.approx([0.075, 0.15, 0.3])


def test_a_retry_is_reported_as_a_wait_with_its_reason_and_waited():
    database = made(100)
    database.accidents["run_batch"].append(refused(DEADLOCK))
    loop = Loop(database)
    loop.run()
    waits = [event for event in loop.told(WaitStarted) if event.reason.kind is WaitKind.RETRY]
    assert [(str(event.reason), event.delay_s) for event in waits] == [
        ("attempt 1: the server's words", pytest.approx(0.075))
    ]
    assert loop.names()[:6] == ["Started", "LayoutChanged", "NoReplicas", "RetryScheduled", "WaitStarted", "BatchDone"]
    assert database.waits == ["attempt 1: the server's words", None]


def test_a_retry_that_cannot_be_kept_is_no_other_failure():
    database = made(100)
    database.accidents["run_batch"].append(refused(DEADLOCK))
    database.accidents["save_wait"].append(refused(DEADLOCK))
    loop = Loop(database)
    loop.run()
    assert len(loop.told(RetryScheduled)) == 1
    assert not database.rows_left()


def test_a_lock_that_is_not_had_makes_batches_smaller_and_success_larger_again():
    database = made(400, max_rows=64)
    database.accidents["run_batch"] += [refused(LOCK_TIMEOUT)] * 3
    Loop(database).run()
    assert database.batches[0] <= 8
    assert max(database.batches) > 32


def test_a_serialization_failure_keeps_the_size():
    database = made(400, max_rows=64)
    database.accidents["run_batch"] += [refused(SERIALIZATION)] * 3
    Loop(database).run()
    assert database.batches[0] > 32


def test_one_row_is_the_smallest_batch():
    database = made(40, max_rows=4)
    database.accidents["run_batch"] += [refused(LOCK_TIMEOUT)] * 12
    Loop(database).run()
    assert min(database.batches) == database.batches[0] == 1
    assert database.fills == dict.fromkeys(range(40), 1)


def test_success_ends_the_count_of_failures():
    database = made(100)
    database.accidents["run_batch"] += [refused(DEADLOCK), lambda: None, refused(DEADLOCK)]
    loop = Loop(database)
    loop.run()
    assert [event.attempt for event in loop.told(RetryScheduled)] == [1, 1]


STEPS = ["count_rows", "find_rows", "read_signals", "run_batch", "save_wait", "new_pass", "verify"]


@pytest.mark.parametrize("method", STEPS)
def test_every_step_of_the_loop_is_tried_again(method: str):
    database = made(50, replicas=lambda data: (replica("replica-a", data.insert_lsn),))
    database.accidents[method].append(refused(LOCK_TIMEOUT))
    database.accidents["verify"].append(late(database))
    loop = Loop(database)
    loop.run()
    assert len(loop.told(RetryScheduled)) == 1
    assert database.fills == dict.fromkeys([*range(50), 1000], 1)


@pytest.mark.parametrize("sqlstate", ["53100", "25006", "42501"])
def test_what_only_a_person_can_fix_halts(sqlstate: str):
    database = made()
    database.accidents["run_batch"].append(refused(sqlstate))
    with pytest.raises(Halted, match="the server's words"):
        Loop(database).run()


@pytest.mark.parametrize("sqlstate", ["42703", "42P01", "55000"])
def test_what_would_fail_again_fails(sqlstate: str):
    database = made()
    database.accidents["run_batch"].append(refused(sqlstate))
    with pytest.raises(StatementRefused, match="the server's words"):
        Loop(database).run()


def test_a_server_that_shuts_down_is_a_lost_session():
    database = made()
    database.accidents["run_batch"].append(refused("57P01"))
    with pytest.raises(ConnectionLost):
        Loop(database).run()


def test_a_checkpoint_that_another_worker_moved_ends_the_session():
    database = made()
    database.accidents["run_batch"] += [lambda: None, database.take_over]
    loop = Loop(database)
    with pytest.raises(Superseded):
        loop.run()
    assert loop.worker.group.progressed
    assert len(database.batches) == 1


def test_a_rewritten_table_is_scanned_from_its_start():
    database = made(100, max_rows=10)

    def rewrite() -> None:
        rows = [row for page in database.pages for row in page if row is not None]
        rows.reverse()
        database.rewrite([list(rows[start : start + 10]) for start in range(0, len(rows), 10)])

    database.accidents["run_batch"] += [lambda: None] * 4 + [rewrite]
    loop = Loop(database)
    loop.run()
    assert database.fills == dict.fromkeys(range(100), 1)
    assert [event.why for event in loop.told(PassRestarted)] == ["the table was rewritten"]
    assert database.calls.count("reopen") == 1


def test_a_table_that_was_rewritten_while_nobody_worked_is_reported_at_the_start():
    database = made(20)
    Loop(database).run()
    database.rewrite(database.pages)
    again = Loop(database)
    again.run()
    assert again.names()[:2] == ["Started", "PassRestarted"]


def test_a_rewrite_between_passes_is_noticed_too():
    database = made(20)
    database.accidents["verify"].append(late(database))
    database.accidents["new_pass"].append(lambda: database.rewrite(database.pages))
    loop = Loop(database)
    loop.run()
    assert len(loop.told(PassRestarted)) == 1
    assert database.rows_left() == []


def test_a_lost_session_raises_what_it_was():
    database = made()
    database.accidents["run_batch"].append(ConnectionLost("server closed the connection unexpectedly"))
    with pytest.raises(ConnectionLost, match="closed the connection"):
        Loop(database).run()


def test_a_lost_session_stays_lost():
    database = made()
    database.accidents["count_rows"].append(ConnectionLost("gone"))

    async def read_twice() -> None:
        async with database.session().open_leaf("public.users") as leaf:
            [lane], [checkpoint] = await leaf.lanes(1), leaf.opened.checkpoints
            for _ in range(2):
                with pytest.raises(ConnectionLost):
                    await lane.count_rows(checkpoint, 5, 100)

    asyncio.run(read_twice())
