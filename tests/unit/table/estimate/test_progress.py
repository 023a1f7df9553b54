"""The time left: what each span of history says, what stripes cost, and when nothing is said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfill.table.estimate.progress import (
    ALIKE,
    SAMPLES_MAX,
    SHARE_MIN,
    SPAN_MIN_S,
    WILD,
    PaceHistory,
)
from backfill.table.estimate.stripe_rows import CLASSES, StripeRows
from backfill.table.estimate.time_left import STALE_S, TimeLeft, time_left_now

ROWS = 1_000_000.0
PLAIN, FIRST, SECOND = 0, 1, 2


def ahead(**rows: float) -> StripeRows:
    classes = {"plain": PLAIN, "first": FIRST, "second": SECOND}
    counts = {classes[name]: count for name, count in rows.items()}
    return tuple(counts.get(stripe_class, 0.0) for stripe_class in range(CLASSES))


def steady(seconds: int, *, rows_s: float = 1000.0, history: PaceHistory | None = None) -> PaceHistory:
    """Return the history of a second a step, from the end of another one if there is one."""
    history = history or PaceHistory().after(0.0, ROWS, PLAIN)
    began_s, left = history.samples[-1].at_s, history.ahead
    for second in range(1, seconds + 1):
        history = history.after(began_s + second, left - second * rows_s, PLAIN)
    return history


def left(history: PaceHistory, share: float = 0.5) -> TimeLeft | None:
    return history.time_left(ahead(plain=history.ahead), share)


def figure(history: PaceHistory) -> float:
    found = left(history)
    assert found is not None
    assert found.low_s == found.high_s
    return found.low_s


def test_a_steady_pace_gives_a_figure():
    assert figure(steady(100)) == pytest.approx(900.0, rel=0.01)


def test_a_pace_that_changes_gives_a_range_that_holds_both_and_later_a_figure_again():
    halved = steady(180, rows_s=250.0, history=steady(400, rows_s=500.0))
    found = left(halved)
    assert found is not None
    truth_s = halved.ahead / 250.0
    assert found.low_s <= truth_s / 2 * 1.5 < truth_s <= found.high_s
    assert figure(steady(8500, rows_s=10.0, history=halved)) == pytest.approx((halved.ahead - 85_000) / 10.0, rel=0.05)


def test_nothing_done_lately_is_unknown():
    history = steady(300)
    assert left(history.after(history.samples[-1].at_s + 300.0 + 1, history.ahead, PLAIN)) is None


def test_less_than_a_hundredth_is_unknown():
    assert left(steady(100), share=SHARE_MIN * 0.99) is None
    assert left(steady(100), share=SHARE_MIN) is not None


def test_too_short_a_history_is_unknown():
    assert left(PaceHistory()) is None
    assert left(steady(int(SPAN_MIN_S) - 1)) is None
    assert left(steady(int(SPAN_MIN_S))) is not None


def test_spans_that_contradict_each_other_are_unknown():
    crawling = steady(200, rows_s=1000 / WILD / 20, history=steady(300, rows_s=1000.0))
    assert left(crawling) is None


def test_more_rows_ahead_than_before_are_no_progress_and_no_loss():
    history = steady(100)
    again = history.after(101.0, ROWS, PLAIN)
    assert again.samples[-1].done == history.samples[-1].done
    assert again.ahead == ROWS


def test_a_dear_first_stripe_is_not_carried_on_to_the_others():
    history, rows = PaceHistory().after(0.0, 3000.0, FIRST), 3000.0
    for second in range(1, 101):  # 10 rows a second in the first stripe of a window of 1,000, 50 in its second
        stripe = FIRST if second <= 50 else SECOND
        rows -= 10 if stripe is FIRST else 50
        history = history.after(float(second), rows, stripe)
    in_between = history.time_left(ahead(first=50, second=250), 0.5)
    assert in_between is not None
    assert in_between.low_s == in_between.high_s == pytest.approx(50 / 10 + 250 / 50, rel=0.1)


def test_a_stripe_that_nobody_has_seen_is_a_range_or_unknown_but_no_figure():
    history = PaceHistory().after(0.0, 1000.0, FIRST)
    for second in range(1, 61):
        history = history.after(float(second), 1000.0 - 10 * second, FIRST)
    found = history.time_left(ahead(first=200, second=200), 0.6)
    assert found is not None
    assert found.low_s < 25 < 40 < found.high_s
    assert history.time_left(ahead(second=400), 0.6) is None


@pytest.mark.parametrize(("age_s", "standing", "holds"), [(0, False, True), (STALE_S, False, False), (0, True, False)])
def test_an_estimate_ends_with_its_time_and_with_the_work(age_s: float, standing: bool, holds: bool):
    estimate = TimeLeft(10.0, 20.0)
    assert time_left_now(estimate, age_s, standing=standing) == (estimate if holds else None)


def test_a_figure_and_a_range_have_one_text_each():
    assert str(TimeLeft(71.6, 71.6)) == "1m12s"
    assert str(TimeLeft(3600.0, 7300.0)) == "1h00m to 2h01m"


@given(st.lists(st.tuples(st.floats(0.01, 600.0), st.floats(0.0, 5000.0), st.integers(0, CLASSES - 1)), max_size=600))
def test_memory_is_bounded_and_a_range_is_one(steps: list[tuple[float, float, int]]):
    history, now_s, rows = PaceHistory(), 0.0, ROWS
    for elapsed_s, gained, stripe_class in steps:
        now_s, rows = now_s + elapsed_s, max(0.0, rows - gained)
        history = history.after(now_s, rows, stripe_class)
    assert len(history.samples) <= SAMPLES_MAX
    found = history.time_left(ahead(plain=rows / 2, first=rows / 4, second=rows / 4), 0.5)
    if found is not None:
        assert 0 <= found.low_s <= found.high_s <= max(found.low_s * WILD * ALIKE * 2, 1e-9)
