"""Rows that the server refuses, on a database in memory: found, told or set aside, met again, tried again."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backfill.engine.retry_rejected import RetryRejectedRun
from backfill.engine.supervisor import JobSupervisor
from backfill.events.batch import BatchRefused, RowRejected, RowRetried
from backfill.events.job import Finished, PassDone, RetryScheduled, Verified
from backfill.events.throttle import WaitStarted
from backfill.retry.sqlstate import BOUNDS, READ_TRIES, Remedy
from backfill.throttle.wait_reason import WaitKind
from backfill.values.errors import (
    BackfillError,
    ConnectionLost,
    Halted,
    JobError,
    LockHeld,
    RowRefused,
    StatementRefused,
)
from tests.factories import job
from tests.fake_database import Clock, FakeDatabase, FakeLeaf, Row, users
from tests.unit.engine.test_job_run import sparse

TIMEOUT = StatementRefused("canceling statement due to statement timeout", "57014", 15.0)
CANCEL = StatementRefused("canceling statement due to user request", "57014", 0.2)


class Run:
    """Runs of one job on one database, and what they told."""

    def __init__(self, database: FakeDatabase, on_row_error: str = "skip", **keys: Any) -> None:
        self.database = database
        self.events: list[Any] = []
        size = {"rows": database.max_rows, "min_rows": 1, "max_rows": database.max_rows, "stripes": 4}
        keys = {"batch": size, "lanes": database.lanes} | keys
        self.job = job(on_row_error=on_row_error, max_rejected=database.max_rejected, **keys)
        self.runtime = database.clock.runtime(self.events.append)

    def run(self) -> Finished:
        self.events.clear()
        return asyncio.run(JobSupervisor(self.job, self.database.connect, self.runtime, wait_for_lock=True).run())

    def retry(self) -> Finished:
        self.events.clear()
        return asyncio.run(self._retry())

    async def _retry(self) -> Finished:
        async with self.database.connect() as session:
            return await RetryRejectedRun(self.job, session, self.runtime).run()

    def told(self, *kinds):
        return [event for event in self.events if isinstance(event, kinds)]


def made(
    rows: int = 100, *, bad: tuple[int, ...] = (), error: StatementRefused | None = None, **changed: Any
) -> FakeDatabase:
    database = FakeDatabase(**{"pages": users(rows), "clock": Clock(), "max_rows": 20, **changed})
    if bad:
        database.refuse = refusing(*bad, error=error)
    return database


def refusing(*ids: int, error: StatementRefused | None = None) -> Callable[[Row], StatementRefused | None]:
    words = error or StatementRefused('violates check constraint "short"\nDETAIL:  a row', "23514")
    return lambda row: words if row["id"] in ids else None


def aside(database: FakeDatabase) -> list[int]:
    return sorted(int(key) for _, key in database.rejected)


def test_a_job_that_fails_at_a_row_names_it_with_its_values_and_the_servers_words():
    run = Run(made(bad=(37,)), "fail")
    with pytest.raises(RowRefused) as raised:
        run.run()
    assert str(raised.value) == (
        'row 37 of public.users is refused by the server: violates check constraint "short"\n'
        "DETAIL:  a row\n"
        "it would be set to u37\n"
        "fix the row or the job's 'set'/'where' and run again, or skip such rows with on_row_error: skip"
    )
    assert run.told(Finished)[0].state == "failed"
    assert 37 not in run.database.fills
    run.database.refuse = refusing()
    assert run.run().state == "done"
    assert run.database.fills == dict.fromkeys(range(100), 1)


def test_the_row_is_found_by_about_the_logarithm_of_its_batch():
    run = Run(made(1000, bad=(777,), max_rows=512), "fail")
    with pytest.raises(RowRefused):
        run.run()
    [first, *others] = run.told(BatchRefused)
    assert first.rows == first.rows_searched > 1
    assert len(others) <= math.ceil(math.log2(first.rows))
    assert all(event.rows < event.rows_searched for event in others[:-1])
    assert run.told(RetryScheduled) == [], "a search does not wait"


@settings(max_examples=25, deadline=None)
@given(
    st.frozensets(st.integers(0, 119), max_size=30),
    st.integers(1, 40),
    st.sampled_from([1, 4, "auto"]),
    st.integers(1, 3),
)
def test_any_bad_rows_are_set_aside_and_every_other_row_is_filled_once(
    bad: frozenset[int], max_rows: int, stripes: int | str, lanes: int
):
    database = made(120, bad=tuple(bad), max_rows=max_rows, lanes=lanes)
    size = {"rows": max_rows, "min_rows": 1, "max_rows": max_rows, "stripes": stripes}
    run = Run(database, batch=size)
    finished = run.run()
    assert finished.state == ("unconverged" if bad else "done")
    assert (finished.rows_rejected, finished.rows_unconverged) == (len(bad), 0)
    assert aside(database) == sorted(bad)
    assert database.fills == {row: 1 for row in range(120) if row not in bad}
    assert max(database.batches, default=0) <= max_rows
    assert [event.rows_rejected for event in run.told(Verified)] == [len(bad)], "one pass is enough"


def test_the_end_says_how_many_and_which_and_the_count_is_told_with_each():
    run = Run(made(bad=(3, 4, 5)))
    finished = run.run()
    assert finished.why == (
        "3 rows were rejected by the server, kept in backfill.rejected; for example"
        ' 3: violates check constraint "short"; 4: violates check constraint "short";'
        ' 5: violates check constraint "short"'
    )
    assert finished.rejected == tuple(f'{row}: violates check constraint "short"' for row in (3, 4, 5))
    told = run.told(RowRejected)
    assert [(event.leaf, event.key, event.rows_rejected) for event in told] == [
        ("public.users", str(row), number) for number, row in enumerate((3, 4, 5), 1)
    ]


def test_rows_that_cannot_converge_and_rows_that_are_refused_are_told_apart():
    pages = users(60, username=lambda number: None if number % 20 == 0 else "u")
    finished = Run(made(pages=pages, bad=(7, 20))).run()
    assert (finished.rows_unconverged, finished.rows_rejected) == (2, 2)
    assert finished.why.startswith("2 rows cannot converge: 'where' stays true for them after the update; for example ")
    assert "; 2 rows were rejected by the server, kept in backfill.rejected; for example 7: " in finished.why


@pytest.mark.parametrize("foreseen", [True, False])
def test_both_kinds_end_the_passes_also_where_it_is_not_foreseen(foreseen: bool):
    pages = users(60, username=lambda number: None if number % 20 == 0 else "u")
    database = made(pages=pages, bad=(7, 20), foreseen=foreseen)
    finished = Run(database).run()
    assert (finished.rows_unconverged, finished.rows_rejected) == (2, 2)
    assert max(database.fills.values()) <= 3


def test_more_than_the_job_allows_halt_it_and_those_before_stay():
    database = made(100, bad=tuple(range(10, 90)), max_rejected=7)
    run = Run(database)
    with pytest.raises(Halted, match="no longer exceptions"):
        run.run()
    assert len(database.rejected) == 7
    assert run.told(Finished)[0].state == "halted"
    assert not set(database.fills) & set(range(10, 90))


def test_every_row_refused_costs_two_attempts_each_until_the_bound():
    database = made(500, bad=tuple(range(500)), max_rejected=100, max_rows=100)
    with pytest.raises(Halted):
        Run(database).run()
    assert len(database.tries) <= 2 * 101 + 2 * 7


def test_a_worker_that_is_killed_between_two_rejections_leaves_a_count_that_the_next_goes_on_with():
    for at in range(3):
        database = made(100, bad=(10, 40, 70), max_rows=10)
        database.accidents["rejected"] += [lambda: None] * at + [ConnectionLost("killed")]
        run = Run(database)
        finished = run.run()
        assert (finished.rows_rejected, aside(database)) == (3, [10, 40, 70])
        assert database.fills == {row: 1 for row in range(100) if row not in (10, 40, 70)}
        assert [event.rows for event in run.told(PassDone)] == [97]


def test_a_worker_that_is_killed_anywhere_sets_the_same_rows_aside():
    calls = made(60, bad=(11, 12, 50))
    Run(calls).run()
    for method in ("run_batch", "committed", "read_rows", "reject_row", "rejected", "verify"):
        for at in range(calls.calls.count(method)):
            database = made(60, bad=(11, 12, 50))
            database.accidents[method] += [lambda: None] * at + [ConnectionLost("killed")]
            assert Run(database).run().rows_rejected == 3
            assert aside(database) == [11, 12, 50]
            assert database.fills == {row: 1 for row in range(60) if row not in (11, 12, 50)}


def test_a_row_that_was_mended_between_two_runs_is_filled_by_the_second():
    database = made(bad=(10, 40))
    run = Run(database)
    assert run.run().rows_rejected == 2
    database.refuse = refusing(40)
    finished = run.run()
    assert (finished.rows_rejected, aside(database)) == (1, [40])
    assert database.fills[10] == 1
    database.refuse = refusing()
    assert run.run().state == "done"
    assert database.rejected == {}
    assert database.fills == dict.fromkeys(range(100), 1)


def test_a_row_that_was_refused_before_costs_one_attempt_in_the_next_run():
    database = made(200, bad=(10, 11, 90))
    run = Run(database)
    run.run()
    database.tries.clear()
    run.run()
    assert [tried for tried in database.tries if {10, 11, 90} & set(tried)] == [(10,), (11,), (90,)]


def test_a_row_that_was_filled_deleted_or_moved_meanwhile_is_set_aside_no_more():
    database = made(60, bad=(10, 20, 30))

    def change() -> None:
        database.pages[1][0] = None
        row = database.pages[2][0]
        assert row is not None
        database.pages[2][0] = {**row, "handle": "by hand"}
        moved = database.pages[3][0]
        database.pages[3][0] = None
        database.pages[5].append(moved)

    database.accidents["verify"].append(change)
    finished = Run(database).run()
    assert (finished.rows_rejected, aside(database)) == (1, [30])


def test_rows_that_an_earlier_run_has_set_aside_are_tried_before_anything_else():
    database = made(100, bad=tuple(range(10, 30)), max_rejected=7, max_rows=10, pages=users(100, page=100))
    run = Run(database, batch={"rows": 10, "min_rows": 1, "max_rows": 10, "stripes": 1})
    with pytest.raises(Halted):
        run.run()
    assert aside(database) == list(range(10, 17))
    database.refuse = refusing(12)
    finished = run.run()
    assert [(event.key, event.result) for event in run.told(RowRetried)] == [
        (str(row), "refused" if row == 12 else "filled") for row in range(10, 17)
    ]
    assert (finished.rows_rejected, aside(database)) == (1, [12])
    assert [event.pass_number for event in run.told(PassDone)] == [1]
    assert database.fills == {row: 1 for row in range(100) if row != 12}


def test_partitions_are_counted_together():
    leaves = {f"public.users_{number}": FakeLeaf(users(20)) for number in range(1, 3)}
    for number, leaf in enumerate(leaves.values(), 1):
        for page in leaf.pages:
            for row in page:
                assert row is not None
                row["id"] += 20 * number
    database = made(20, bad=(5, 25, 26), leaf="public.users_0", shelf=leaves)
    run = Run(database)
    finished = run.run()
    assert (finished.rows_rejected, aside(database)) == (3, [5, 25, 26])
    assert [event.rows_rejected for event in run.told(RowRejected)] == [1, 2, 3]
    assert "public.users_1 25: violates" in finished.why
    assert run.run().rows_rejected == 3
    assert run.told(PassDone) != []


def test_a_row_that_is_too_slow_is_tried_three_times_alone_and_then_named():
    run = Run(made(bad=(37,), error=TIMEOUT), "fail")
    tries = BOUNDS[Remedy.SPLIT].tries
    words = f"row 37 of public.users takes longer than statement_timeout 15s, {tries} times alone: canceling"
    with pytest.raises(RowRefused, match=words):
        run.run()
    assert run.database.tries.count((37,)) == tries
    assert len(run.told(RetryScheduled)) == tries - 1
    assert {event.reason.kind for event in run.told(WaitStarted)} >= {WaitKind.RETRY}


def test_a_row_that_is_too_slow_is_set_aside_like_any_other():
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


def test_trying_again_tells_other_rows_that_are_to_do_by_now():
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


def test_trying_again_in_partitions_proves_those_that_had_rows_aside_and_no_others():
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
