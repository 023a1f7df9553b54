"""Which layout is chosen, and why: indexes, snapshots, checkpoints and the page's own shape."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfill.table import window_layout
from backfill.table.checkpoint import WINDOW_PAGES, Layout
from backfill.table.stripe_plan import PageProfile
from backfill.table.window_layout import TableTraits, choose_layout, outlast_rows
from backfill.table.window_state import StripeHistory
from tests.factories import MB

USERS = PageProfile(rows=61, due=61, row_bytes=128, updated_bytes=168)
HEAP = TableTraits(indexes=2)
NEW, NONE = StripeHistory(), Layout()


def chosen(
    profile: PageProfile | None = USERS,
    traits: TableTraits = HEAP,
    history: StripeHistory = NEW,
    before: Layout = NONE,
    **more,
):
    return choose_layout(traits, profile, history, before, **{"row_wal_bytes": 450.0, **more})


def test_a_full_cold_page_is_taken_in_stripes_over_wide_windows():
    found = chosen()
    assert len(found.sizes) > 4
    assert found.window_pages == WINDOW_PAGES
    assert found.why.startswith(
        "9 stripes: a page has 61 matching rows, 128 bytes each, 168 once updated; rows per stripe "
    )
    assert found.why.endswith("72% HOT expected; windows of 8,192 pages")


def test_an_indexed_target_is_taken_plainly():
    assert chosen(traits=TableTraits(indexes=3, indexed=("handle",))) == Layout(
        why="plain: handle is indexed, no update can be HOT"
    )


def test_the_job_file_has_the_last_word():
    found = chosen(traits=TableTraits(indexes=3, indexed=("handle",)), stripes=4)
    assert len(found.sizes) == 4
    assert found.why.startswith("4 stripes, as the job file says: ")
    assert chosen(stripes=1).why.startswith("1 stripe, as the job file says: ")


def test_where_nothing_is_due_there_are_no_stripes():
    assert chosen(None, before=Layout((3, 2, 1), 1024, "why")) == Layout()


def test_a_row_here_and_there_needs_no_stripes():
    assert chosen(PageProfile(rows=61, due=1, row_bytes=128, updated_bytes=168)).sizes == (1,)


@given(st.floats(16 * MB, 64_000 * MB), st.floats(50.0, 8000.0), st.floats(1.0, 200.0))
def test_a_window_writes_at_most_a_part_of_what_lies_between_two_checkpoints(
    checkpoint_bytes: float, row_wal_bytes: float, due: float
):
    traits = TableTraits(indexes=2, checkpoint_bytes=checkpoint_bytes)
    found = chosen(PageProfile(rows=due, due=due, row_bytes=24, updated_bytes=24), traits, row_wal_bytes=row_wal_bytes)
    if len(found.sizes) == 1:
        return
    wal_bytes = found.window_pages * due * row_wal_bytes
    narrowest = found.window_pages == window_layout.WINDOW_PAGES_MIN
    assert narrowest or wal_bytes <= checkpoint_bytes * window_layout.CHECKPOINT_SHARE
    assert window_layout.WINDOW_PAGES_MIN <= found.window_pages <= WINDOW_PAGES


def test_checkpoints_by_time_count_by_the_wal_of_that_time():
    traits = TableTraits(indexes=2, checkpoint_bytes=64_000 * MB, checkpoint_s=10.0)
    assert chosen(traits=traits, wal_rate_bytes_s=20 * MB).window_pages < WINDOW_PAGES
    assert chosen(traits=traits, wal_rate_bytes_s=None).window_pages == WINDOW_PAGES
    assert "as 200MB of WAL are written between two checkpoints" in chosen(traits=traits, wal_rate_bytes_s=20 * MB).why


def test_a_little_change_of_the_page_changes_nothing():
    before = chosen()
    assert chosen(PageProfile(rows=60, due=60, row_bytes=136, updated_bytes=168), before=before) is before


def test_another_page_is_laid_out_anew():
    before = chosen()
    after = chosen(PageProfile(rows=30, due=30, row_bytes=128, updated_bytes=168), before=before)
    assert after.sizes != before.sizes


@pytest.mark.parametrize(
    ("pages", "rows", "hot", "paid"),
    [
        (8192, 399, 0, None),
        (8192, 400, 0, False),
        (8192, 1000, 199, False),
        (8192, 1000, 200, True),
        (100, 9000, 0, None),
    ],
)
def test_stripes_pay_when_later_ones_stay_on_their_pages(pages: int, rows: int, hot: int, paid: bool | None):
    assert window_layout.worth_it(pages, rows, hot, 0.8) is paid


@pytest.mark.parametrize(
    ("took_s", "snapshots_s", "rest_s"),
    [
        (0.2, 0.15, pytest.approx(0.1)),
        (0.3, 0.15, 0.0),
        (0.12, 0.0, 0.0),
        (0.01, 0.15, 0.0),
        (0.2, 1.9, 0.0),
        (0.2, 0.175, pytest.approx(0.15)),
    ],
)
def test_pages_rest_for_a_moment_where_that_outlasts_the_transactions_beside_us(took_s, snapshots_s, rest_s):
    assert window_layout.rest_s(took_s, snapshots_s) == rest_s


@given(st.floats(0, 100), st.floats(0, 100))
def test_a_rest_at_most_doubles_the_time_of_a_stripe(took_s, snapshots_s):
    assert 0 <= window_layout.rest_s(took_s, snapshots_s) <= min(took_s, window_layout.REST_MAX_S)


def test_each_failure_in_a_row_is_followed_by_more_plain_windows_and_then_by_another_try():
    history, plain = StripeHistory(), []
    for _ in range(9):
        history = window_layout.learn(history, WINDOW_PAGES, paid=False, why="3% of a second stripe was HOT")
        taken = 0
        while len(chosen(history=history).sizes) == 1:
            assert chosen(history=history).why == "plain: 3% of a second stripe was HOT"
            history, taken = window_layout.after_plain_window(history), taken + 1
        plain.append(taken)
    assert plain == [1, 2, 4, 8, 16, 32, 64, 64, 64]


def test_windows_become_wider_before_they_are_taken_plainly():
    traits, history, widths = TableTraits(indexes=2, checkpoint_bytes=64 * MB), StripeHistory(), []
    while not history.plain_windows:
        widths.append(chosen(traits=traits, history=history).window_pages)
        history = window_layout.learn(history, widths[-1], paid=False, why="why")
    assert widths == [512, 2048, 8192]


def test_stripes_that_pay_but_not_well_are_kept_in_the_widest_windows():
    history = StripeHistory(wider=16)
    assert window_layout.learn(history, WINDOW_PAGES, paid=True) is history
    assert window_layout.hot_as_expected(WINDOW_PAGES, 1000, 299, 0.5) is False
    assert window_layout.hot_as_expected(WINDOW_PAGES, 1000, 300, 0.5)
    assert window_layout.hot_as_expected(WINDOW_PAGES, 10, 0, 0.5) is None


def test_the_snapshot_that_may_be_the_cause_is_named():
    assert window_layout.explain_low_hot(1000, 30, 35.0, "psql pid 7") == (
        "3% of a second stripe was HOT; the oldest snapshot is 35s old (psql pid 7)"
    )
    assert window_layout.explain_low_hot(1000, 30, None, None) == "3% of a second stripe was HOT"


def test_a_stripe_outlasts_short_snapshots_and_another_lanes_batch():
    assert outlast_rows(None, 0.3, 0) == 0
    assert outlast_rows(0.001, 0.3, 0) == pytest.approx(300)
    assert outlast_rows(0.001, 0.3, 10_000) == 10_000
    assert outlast_rows(0.001, 30.0, 10_000) == pytest.approx(30_000)


def test_if_a_trigger_keeps_every_update_from_its_page_windows_are_plain_at_once_and_not_widened():
    history = window_layout.learn(NEW, 1024, paid=False, why="0% of a second stripe was HOT", never=True)
    assert (history.plain_windows, history.wider, history.failures) == (64, 1, 1)
