"""Proves what timeouts lead to: smaller batches and reads, down to the row or the page that is named."""

from __future__ import annotations

import pytest

from backfill.events.batch import BatchRefused
from backfill.events.job import Finished, RetryScheduled
from backfill.events.throttle import WaitStarted
from backfill.retry.sqlstate import BOUNDS, READ_TRIES, Remedy
from backfill.throttle.wait_reason import WaitKind
from backfill.values.errors import (
    BackfillError,
    RowRefused,
    StatementRefused,
)
from tests.fake_database import Row, users
from tests.unit.engine.loop import sparse
from tests.unit.engine.rejecting import CANCEL, TIMEOUT, Run, aside, made


def test_a_row_that_is_too_slow_is_tried_three_times_alone_and_then_named():
    run = Run(made(bad=(37,), error=TIMEOUT), "fail")
    tries = BOUNDS[Remedy.SPLIT_ON_TIMEOUT].tries
    words = f"row 37 of public.users takes longer than statement_timeout 15s, {tries} times alone: canceling"
    with pytest.raises(RowRefused, match=words):
        run.run()
    assert run.database.tries.count((37,)) == tries
    assert len(run.told(RetryScheduled)) == tries - 1
    assert {event.reason.kind for event in run.told(WaitStarted)} >= {WaitKind.RETRY}


def test_a_row_that_is_too_slow_is_rejected_like_any_other():
    database = made(bad=(37,), error=TIMEOUT)
    finished = Run(database).run()
    assert (finished.rows_rejected, aside(database)) == (1, [37])
    assert database.fills == {row: 1 for row in range(100) if row != 37}


def test_where_every_row_is_slow_batches_are_as_small_as_the_timeout_wants_and_none_is_refused_for_it():
    """300 rows of 0.2 s: a batch of more than 75 is ended after 15 s. That is known after the first."""
    database = made(300, max_rows=128)
    refused = database.tries

    def slow(row: Row) -> StatementRefused | None:
        database.clock.now_s += 0.2
        return TIMEOUT if len(refused[-1]) > 75 else None

    database.refuse = slow
    database.row_s = 0.2
    run = Run(database, "fail")
    assert run.run().state == "done"
    assert len(run.told(BatchRefused)) <= 2
    assert database.fills == dict.fromkeys(range(300), 1)


def test_a_batch_that_a_person_cancels_is_tried_again_as_it_is():
    database = made()
    database.accidents["run_batch"].append(CANCEL)
    run = Run(database, "fail")
    assert run.run().state == "done"
    assert [event.reason for event in run.told(RetryScheduled)] == ["57014"]
    assert run.told(BatchRefused) == []


def test_a_row_that_a_person_cancels_every_time_is_not_refused():
    database = made()
    database.accidents["run_batch"] += [CANCEL] * 30
    run = Run(database)
    assert run.run().state == "done"
    assert len(run.told(RetryScheduled)) == 30
    assert max(event.delay_s for event in run.told(RetryScheduled)) > 10


def test_a_refusal_that_does_not_come_again_costs_nothing_but_the_search():
    database = made()
    database.accidents["run_batch"].append(StatementRefused("could not serialize a constraint", "23505"))
    run = Run(database, "fail")
    assert run.run().state == "done"
    assert database.fills == dict.fromkeys(range(100), 1)


def test_a_search_goes_on_behind_a_deadlock():
    database = made(bad=(13,))
    database.accidents["run_batch"] += [lambda: None, lambda: None, StatementRefused("deadlock detected", "40P01")]
    run = Run(database)
    assert run.run().rows_rejected == 1
    assert len(run.told(RetryScheduled)) == 1
    assert aside(database) == [13]


def test_a_single_row_of_a_search_is_no_trial_of_the_job():
    """The first rows of the first batch: one cannot converge, the next is refused; neither proves `where` wrong."""
    pages = users(20, username=lambda number: None if number == 0 else "u")
    database = made(pages=pages, bad=(1,), max_rows=2)
    finished = Run(database).run()
    assert (finished.rows_unconverged, finished.rows_rejected) == (1, 1)


def test_a_scout_that_is_timed_out_covers_less_down_to_a_page_and_more_again():
    database = made(0, pages=sparse(200, dict.fromkeys(range(200), 20)), max_rows=1000)
    database.accidents["count_rows"] += [TIMEOUT] * 3
    run = Run(database, "fail")
    assert run.run().state == "done"
    assert database.scouts[0] == 1
    assert database.scouts[1:4] == [2, 4, 8]


@pytest.mark.parametrize("method", ["count_rows", "find_rows"])
def test_a_page_that_is_never_read_in_time_ends_the_run_with_its_number(method: str):
    pages = users(100) if method == "count_rows" else sparse(3000, {1000: 1})
    database = made(pages=pages)
    database.accidents[method] += [TIMEOUT] * 100
    run = Run(database, "fail", batch={"stripes": 4 if method == "count_rows" else "auto"})
    words = rf"page 0 of public.users was not read within statement_timeout 15s, {READ_TRIES} times in a row: 'where'"
    with pytest.raises(BackfillError, match=words) as raised:
        run.run()
    assert "(handle IS NULL)" in str(raised.value)
    assert "backfill tune users-handle statement_timeout" in str(raised.value)
    assert run.told(Finished)[0].state == "failed"


def test_few_rows_are_looked_for_in_fewer_pages_after_timeouts_and_in_more_again():
    database = made(0, pages=[[None]] * 3000)
    database.accidents["find_rows"] += [TIMEOUT] * 3
    Run(database, "fail").run()
    assert database.reaches[:8] == [8, 16, 32, 64, 128, 256, 512, 512]
