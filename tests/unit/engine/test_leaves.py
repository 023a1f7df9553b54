"""Proves that a job's leaves are filled one by one under their locks, whatever partitions come and go meanwhile."""

from __future__ import annotations

import asyncio

import pytest

from backfill.engine.job_run import LEAF_SCANS_MAX
from backfill.events.batch import BatchDone
from backfill.events.job import LockTaken, LockWaiting, Started, Verified
from backfill.events.leaf import LeafDone, LeafRemoved, LeafStarted
from backfill.events.throttle import WaitStarted
from backfill.throttle.wait_reason import WaitKind
from backfill.values.errors import (
    BackfillError,
    ConnectionLost,
    LockHeld,
    StatementRefused,
    Stopped,
)
from tests.fake_database import FakeLeaf, users
from tests.unit.engine.loop import (
    Loop,
    made,
    parts,
    refused,
)


@pytest.mark.parametrize("lanes", [1, 2])
def test_leaf_by_leaf_every_row_is_filled_once_and_progress_never_falls(lanes: int):
    database = parts(100, 0, 50, 7, lanes=lanes)
    loop = Loop(database)
    found = loop.run()
    assert (found.rows_left, found.rows_unconverged) == (0, 0)
    assert database.fills == dict.fromkeys(range(157), 1)
    assert [(event.leaf, event.number, event.leaves) for event in loop.told(LeafStarted)] == [
        (f"public.users_{index}", index + 1, 4) for index in range(4)
    ]
    assert [event.number for event in loop.told(LeafDone)] == [1, 2, 3, 4]
    [started] = loop.told(Started)
    assert (started.table, started.leaves, started.pages) == ("public.users", 4, 16)
    ratios = [event.progress_ratio for event in loop.told(BatchDone, LeafStarted)]
    assert ratios == sorted(ratios)
    assert [event.progress_ratio for event in loop.told(LeafStarted)] == [0.0, 10 / 16, 10 / 16, 15 / 16]
    assert [event.rows_total for event in loop.told(BatchDone)][-1] == loop.worker.group.rows_total == 157


def test_a_leaf_that_was_left_is_gone_on_from_and_those_that_are_done_are_not_read_again():
    database = parts(100, 100, 100, max_rows=5)
    first = Loop(database)
    database.accidents["committed"] += [lambda: None] * 29 + [ConnectionLost("gone")]
    with pytest.raises(ConnectionLost):
        first.run()
    assert [event.number for event in first.told(LeafDone)] == [1]
    done = sum(database.batches)
    second = Loop(database)
    second.run()
    assert database.fills == dict.fromkeys(range(300), 1)
    told = [(event.leaf, event.number, event.resumed) for event in second.told(LeafStarted)]
    assert told == [("public.users_1", 2, True), ("public.users_2", 3, False)]
    [started] = second.told(Started)
    assert (started.resumed, started.rows_total) == (True, done)
    assert 1 / 3 < started.progress_ratio < 2 / 3
    assert second.worker.group.rows_total == 300
    assert len(second.told(Verified)) == 2


def test_a_leaf_that_comes_during_the_run_is_filled_before_the_end():
    database = parts(30, 30)
    late = FakeLeaf([[{"id": 1000, "username": "late", "handle": None}]])
    database.accidents["verify"].append(lambda: database.shelf.update({"public.a": late}))
    loop = Loop(database)
    loop.run()
    assert [event.leaf for event in loop.told(LeafDone)] == ["public.users_0", "public.users_1", "public.a"]
    assert database.fills == dict.fromkeys([*range(60), 1000], 1)


def test_a_leaf_that_goes_at_work_is_reported_and_the_others_go_on():
    database = parts(40, 40, 40, max_rows=10)
    database.accidents["run_batch"] += [lambda: None] * 6 + [lambda: setattr(database, "gone", True)]
    loop = Loop(database)
    assert loop.run().rows_left == 0
    [gone] = loop.told(LeafRemoved)
    assert (gone.leaf, gone.why) == ("public.users_1", "table 'public.users_1' was detached from 'public.users'")
    assert [event.leaf for event in loop.told(LeafDone)] == ["public.users_0", "public.users_2"]
    assert database.fills == dict.fromkeys([*range(40), *range(80, 120)], 1) | {
        number: 1 for number in database.fills if 40 <= number < 80
    }
    assert loop.worker.group.rows_total == sum(database.fills.values()) < 120


def test_a_dropped_leaf_is_known_by_the_server_s_words_and_any_other_error_is_raised():
    def drop() -> None:
        database.gone = True
        raise refused("42P01")

    database = parts(40, 40, max_rows=10)
    database.accidents["run_batch"].append(drop)
    loop = Loop(database)
    loop.run()
    assert [event.why for event in loop.told(LeafRemoved)] == ["the server's words"]
    database = parts(40, 40, max_rows=10)
    database.accidents["run_batch"].append(refused("42703"))
    with pytest.raises(StatementRefused, match="the server's words"):
        Loop(database).run()


def test_a_leaf_that_another_job_fills_is_waited_for():
    database = parts(10, 10)
    one = database.shelf["public.users_1"]
    one.holder = "pod-2 (pid 7)"
    database.accidents["try_leaf"] += [lambda: None, lambda: None, lambda: None, lambda: setattr(one, "holder", None)]
    loop = Loop(database)
    loop.run()
    assert {(event.leaf, event.holder) for event in loop.told(LockWaiting)} == {("public.users_1", "pod-2 (pid 7)")}
    assert [event.leaf for event in loop.told(LockTaken)] == ["public.users_1"]
    assert [event.number for event in loop.told(LeafDone)] == [1, 2]


def test_one_that_shall_not_wait_does_not_wait_for_a_leaf_either():
    database = parts(10, 10)
    database.shelf["public.users_1"].holder = "pod-2 (pid 7)"
    loop = Loop(database)
    asyncio.run(loop.worker.lock(wait=False))
    with pytest.raises(LockHeld, match=r"leaf public.users_1 is locked by pod-2"):
        loop.run()


def test_what_cannot_converge_is_summed_over_the_leaves():
    database = parts(20, 20)
    for page in [*database.pages, *database.shelf["public.users_1"].pages]:
        assert page[0] is not None
        page[0]["username"] = None
    loop = Loop(database)
    found = loop.run()
    assert (found.rows_left, found.rows_unconverged) == (4, 4)
    assert found.samples == tuple(f"public.users_{leaf} {row}" for leaf, row in ((0, 0), (0, 10), (1, 20), (1, 30)))
    assert [event.rows_unconverged for event in loop.told(LeafDone)] == [2, 4]


def test_the_first_batch_is_the_trial_of_the_job_and_not_of_each_leaf():
    database = parts(20, 20)
    for page in database.shelf["public.users_1"].pages:
        for row in page:
            assert row is not None
            row["username"] = None
    assert Loop(database).run().rows_unconverged == 20


def test_leaves_that_come_faster_than_they_are_filled_end_the_run():
    database = parts(1)
    names = iter(range(10**6))

    def another() -> None:
        database.shelf[f"public.late_{next(names):06}"] = FakeLeaf(users(1))
        database.accidents["verify"].append(another)

    database.accidents["verify"].append(another)
    with pytest.raises(
        BackfillError, match=f"gave up after {LEAF_SCANS_MAX} scans of the partition list: partitions of 'public.users'"
    ):
        Loop(database).run()


def test_a_table_without_leaves_is_done():
    database = made(0, gone=True)
    loop = Loop(database)
    assert loop.run().rows_left == 0
    assert loop.names() == ["Started"]


def test_the_locks_holder_is_reported_each_second_until_it_ends():
    database = made(holder="pod-1 (pid 42)")
    database.accidents["try_lock"] += [lambda: None, lambda: None, lambda: setattr(database, "holder", None)]
    loop = Loop(database)
    asyncio.run(loop.worker.lock(wait=True))
    assert loop.names() == ["LockWaiting", "WaitStarted", "LockWaiting", "WaitStarted", "LockTaken"]
    assert [event.holder for event in loop.told(LockWaiting)] == ["pod-1 (pid 42)"] * 2
    assert [round(event.waited_s) for event in loop.told(LockWaiting)] == [0, 1]
    assert round(loop.told(LockTaken)[0].waited_s) == 2
    assert {event.reason.kind for event in loop.told(WaitStarted)} == {WaitKind.LOCK}


def test_one_that_shall_not_wait_says_who_holds_the_lock():
    loop = Loop(made(holder="pod-1 (pid 42)"))
    with pytest.raises(LockHeld, match=r"pod-1 \(pid 42\)"):
        asyncio.run(loop.worker.lock(wait=False))


def test_waiting_for_the_lock_ends_when_we_are_to_stop():
    database = made(holder="pod-1")
    database.clock.stop_at_s = database.clock.now_s + 5.5
    loop = Loop(database)
    with pytest.raises(Stopped):
        asyncio.run(loop.worker.lock(wait=True))
    assert database.calls.count("try_lock") == 6
