"""Proves that retry-rejected tries the rejected rows of a job again, and nothing else."""

from __future__ import annotations

import pytest

from backfill.events.batch import RowRetried
from backfill.events.job import Finished
from backfill.values.errors import (
    Halted,
    JobError,
    LockHeld,
)
from tests.fake_database import FakeLeaf, users
from tests.unit.engine.rejecting import TIMEOUT, Run, aside, made, refusing


def test_the_again_of_single_rows_fills_forgets_and_keeps():
    database = made(60, bad=(10, 20, 30))
    run = Run(database)
    run.run()
    database.refuse = refusing(30)
    database.pages[2][0] = None
    before = sum(database.fills.values())
    finished = run.retry()
    assert [(event.key, event.result) for event in run.told(RowRetried)] == [
        ("10", "filled"),
        ("20", "gone"),
        ("30", "refused"),
    ]
    assert sum(database.fills.values()) == before + 1
    assert (finished.state, finished.rows_rejected, aside(database)) == ("unconverged", 1, [30])
    assert database.ends[-1] == finished
    database.refuse = refusing()
    finished = run.retry()
    assert (finished.state, finished.why) == ("done", "every row is filled")
    assert run.run().state == "done"
    assert database.fills == {row: 1 for row in range(60) if row != 20}


def test_rows_are_tried_again_through_the_gate():
    database = made(60, bad=(10, 20))
    run = Run(database)
    run.run()
    database.calls.clear()
    database.refuse = refusing()
    run.retry()
    calls = [call for call in database.calls if call in ("read_signals", "run_batch")]
    assert calls == ["read_signals", "run_batch"] * 2


def test_a_row_that_is_too_slow_again_is_kept_after_three_tries():
    database = made(60, bad=(10,), error=TIMEOUT)
    run = Run(database)
    run.run()
    database.tries.clear()
    assert run.retry().rows_rejected == 1
    assert database.tries == [(10,)] * 3
    assert [event.result for event in run.told(RowRetried)] == ["refused"]


def test_trying_again_does_not_begin_the_rest_of_an_unfinished_job():
    database = made(100, bad=(5, *range(40, 60)), max_rejected=3, max_rows=10)
    run = Run(database)
    with pytest.raises(Halted):
        run.run()
    batch_result = set(database.fills)
    database.refuse = refusing()
    finished = run.retry()
    assert finished.state == "stopped"
    assert "continue it with backfill run" in finished.why
    assert sum(database.fills.values()) == len(batch_result) + 3
    assert {5, *range(40, 60)} & set(database.fills) == set(database.fills) - batch_result
    assert run.run().state == "done"
    assert database.fills == dict.fromkeys(range(100), 1)


def test_trying_again_reports_other_rows_that_are_to_do_by_now():
    database = made(60, bad=(10,))
    run = Run(database)
    run.run()
    database.refuse = refusing()
    database.pages[0].append({"id": 1000, "username": "late", "handle": None})
    assert run.retry().state == "stopped"
    assert 1000 not in database.fills
    assert run.run().state == "done"
    assert database.fills[1000] == 1


def test_trying_again_waits_for_nobody_and_knows_only_jobs_that_began():
    database = made(30, bad=(10,))
    with pytest.raises(LockHeld, match="pod-1"):
        Run(made(holder="pod-1")).retry()
    run = Run(database)
    run.run()
    database.holder = "pod-1 (pid 42)"
    with pytest.raises(LockHeld, match=r"pod-1 \(pid 42\)"):
        run.retry()
    assert run.told(Finished) == []
    assert JobError.exit_code == 2


def test_trying_again_in_partitions_proves_those_that_had_rejected_rows_and_no_others():
    leaves = {"public.users_1": FakeLeaf(users(20))}
    for page in leaves["public.users_1"].pages:
        for row in page:
            assert row is not None
            row["id"] += 20
    database = made(20, bad=(25,), leaf="public.users_0", shelf=leaves)
    run = Run(database)
    run.run()
    database.refuse = refusing()
    database.calls.clear()
    assert run.retry().state == "done"
    assert database.calls.count("verify") == 1
    assert database.rejected == {}


def test_stuck_rows_stay_counted_after_rows_were_tried_again_where_they_are_not_foreseen():
    pages = users(60, username=lambda number: None if number % 20 == 0 else "u")
    database = made(pages=pages, bad=(7,), foreseen=False)
    run = Run(database)
    assert run.run().rows_unconverged == 3
    database.refuse = refusing()
    finished = run.retry()
    assert (finished.state, finished.rows_unconverged, finished.rows_rejected) == ("unconverged", 3, 0)
