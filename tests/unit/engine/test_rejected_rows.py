"""Proves that a refused row is found by bisection, ends the run or is rejected, and is counted until it is filled."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backfill.events.batch import BatchRefused, RowRejected, RowRetried
from backfill.events.job import Finished, PassDone, RetryScheduled, Verified
from backfill.values.errors import (
    ConnectionLost,
    Halted,
    RowRefused,
)
from tests.fake_database import FakeLeaf, users
from tests.unit.engine.rejecting import Run, aside, made, refusing


def test_a_job_that_fails_at_a_row_names_it_with_its_values_and_the_servers_words():
    run = Run(made(bad=(37,)), "fail")
    with pytest.raises(RowRefused) as raised:
        run.run()
    assert str(raised.value) == (
        'the server rejected row 37 of public.users: violates check constraint "short"\n'
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
def test_any_bad_rows_are_rejected_and_every_other_row_is_filled_once(
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


def test_the_end_says_how_many_and_which_and_the_count_is_reported_with_each():
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


def test_a_worker_that_is_killed_anywhere_rejects_the_same_rows():
    calls = made(60, bad=(11, 12, 50))
    Run(calls).run()
    for method in ("run_batch", "committed", "read_rows", "reject_row", "rejected", "verify"):
        for at in range(calls.calls.count(method)):
            database = made(60, bad=(11, 12, 50))
            database.accidents[method] += [lambda: None] * at + [ConnectionLost("killed")]
            assert Run(database).run().rows_rejected == 3
            assert aside(database) == [11, 12, 50]
            assert database.fills == {row: 1 for row in range(60) if row not in (11, 12, 50)}


def test_a_row_that_was_fixed_between_two_runs_is_filled_by_the_second():
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


def test_a_row_that_was_filled_deleted_or_moved_meanwhile_is_no_longer_rejected():
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


def test_rows_that_an_earlier_run_rejected_are_tried_before_anything_else():
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
