"""Proves how a lane goes through its windows: few rows are found by address, many are counted, stripes wait for pruning."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from backfill.events.batch import BatchDone, LayoutChanged
from backfill.events.job import PassDone, RetryScheduled, Verified
from backfill.events.throttle import WaitStarted
from backfill.throttle.signals import Upkeep
from backfill.throttle.wait_reason import WaitKind
from tests.fake_database import Clock, FakeDatabase, users
from tests.unit.engine.loop import (
    TIMED_OUT,
    Loop,
    made,
    sparse,
)

RUNS = st.lists(st.tuples(st.integers(1, 400), st.sampled_from([0, 1, 6])), min_size=1, max_size=6)
"""Pages in a row, and how many rows of one in so many of them are to do."""


@settings(max_examples=25)
@given(RUNS, st.sampled_from([1, 3, 50]), st.integers(5, 300), st.sampled_from([1, 4, "auto"]), st.integers(1, 3))
def test_stretches_of_any_density_are_filled_once_within_the_cap(
    runs: list[tuple[int, int]], one_in: int, max_rows: int, stripes: int | str, lanes: int
):
    due = [rows if page % one_in == 0 else 0 for pages, rows in runs for page in range(pages)]
    database = FakeDatabase(
        sparse(len(due), dict(enumerate(due)), page=6), Clock(), max_rows=max_rows, lanes=lanes, shape_pages=32
    )
    expected = {row["id"]: 1 for row in database.rows_left()}
    loop = Loop(database, stripes)
    loop.run()
    assert database.fills == expected
    assert max(database.batches, default=0) <= max_rows
    assert len(loop.told(PassDone)) == 1


def test_stretches_without_rows_are_skipped_without_asking_to_write():
    database = made(20)
    database.pages += [[None]] * 40_000
    loop = Loop(database, stripes="auto")
    loop.run()
    assert len(loop.told(BatchDone)) == len(database.batches) == 1
    assert (database.calls.count("find_rows"), database.calls.count("save_checkpoint")) == (5, 4)
    assert database.calls.count("read_signals") < 10


def test_pages_rest_between_stripes_until_the_transactions_beside_us_are_over():
    database = made(400, max_rows=400, upkeep=Upkeep(oldest_snapshot_s=0.004))
    loop = Loop(database)
    loop.run()
    rests = [event for event in loop.told(WaitStarted) if event.reason.kind is WaitKind.REST]
    assert [event.delay_s > 0 for event in rests] == [True] * 3
    assert rests[0].reason.text.startswith("snapshots reach back ")
    assert database.fills == dict.fromkeys(range(400), 1)


def test_without_transactions_beside_us_nothing_rests():
    loop = Loop(made(400, max_rows=400))
    loop.run()
    assert not loop.told(WaitStarted)


def test_few_rows_are_found_in_one_read_and_updated_by_their_addresses():
    database = made(pages=sparse(3_000, dict.fromkeys(range(500, 3_000, 50), 1)), max_rows=20)
    loop = Loop(database, stripes="auto")
    loop.run()
    assert database.batches == [20, 20, 10]
    assert database.calls.count("count_rows") == 0
    assert database.calls.count("find_rows") <= 4
    assert database.rows_left() == []


def test_where_a_sparse_stretch_turns_dense_stripes_begin_at_its_first_page():
    due = dict.fromkeys(range(0, 3_000, 200), 1) | dict.fromkeys(range(3_000, 3_100), 30)
    database = made(pages=sparse(6_000, due), max_rows=50, shape_pages=32)
    loop = Loop(database, stripes="auto")
    loop.run()
    assert sum(database.batches) == 15 + 3_000
    assert max(database.batches) <= 50
    assert max(database.fills.values()) == 1
    [*_, dense] = loop.told(LayoutChanged)
    assert len(dense.sizes) > 1
    striped = [event for event in loop.told(BatchDone) if event.stripes > 1]
    assert (striped[0].first_page, sum(event.rows for event in striped)) == (3_000, 3_000)


def test_a_crowded_page_among_empty_ones_is_taken_by_address_where_its_surroundings_are_sparse():
    database = made(pages=sparse(4_000, dict.fromkeys(range(100, 4_000, 400), 30)), max_rows=50, shape_pages=32)
    loop = Loop(database, stripes="auto")
    loop.run()
    assert sum(database.batches) == 300
    assert database.calls.count("count_rows") == 0
    assert database.rows_left() == []


def test_rows_that_become_due_behind_a_read_are_left_to_the_next_pass_and_the_cap_stays_hard():
    database = made(pages=sparse(1_000, dict.fromkeys(range(0, 1_000, 50), 1)), max_rows=10)

    def crowd() -> None:
        for page in database.pages:
            for row in page:
                assert row is not None
                row["handle"] = None

    database.accidents["run_batch"].append(crowd)
    loop = Loop(database, stripes="auto")
    loop.run()
    assert [event.rows_left for event in loop.told(Verified)] == [30_000 - 20, 0]
    assert max(database.batches) == 10
    assert database.fills == dict.fromkeys(range(30_000), 1)


def test_a_timeout_of_a_wide_read_keeps_those_that_follow_narrow():
    database = made(0, pages=[[None]] * 40_000)
    database.accidents["find_rows"] += [lambda: None, lambda: None, TIMED_OUT]
    loop = Loop(database)
    loop.run()
    assert len(loop.told(RetryScheduled)) == 1
    assert database.reaches[:5] == [4096, 8192, 1250, 1250, 1250]


def test_a_scout_serves_many_batches():
    database = made(2000, max_rows=400)
    Loop(database).run()
    assert database.calls.count("count_rows") < database.calls.count("run_batch") + 6


def test_more_rows_than_were_scouted_are_scouted_again():
    database = made(100)

    def crowd() -> None:
        database.pages[0] += users(25)[0] + users(25)[1]

    database.accidents["run_batch"].append(crowd)
    loop = Loop(database)
    loop.run()
    assert max(database.batches) <= 20
    assert sum(database.batches) == 120
    assert database.rows_left() == []
