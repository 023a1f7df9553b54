"""What the throttle's benchmark says of a run follows from its samples."""

import pytest

from bench.measure import back_s, measure, over_s
from bench.medians import medians
from bench.pgbench import read_latencies
from bench.scenarios import MB, SCENARIOS, Act, Kind, Scenario
from bench.targets import beaten, promised
from bench.trace import SLOW, Trace
from bench.watch import Sample

STEP = Scenario("step", "a step", budget_s=1.0, span_s=10.0, acts=(Act(5.0, Kind.RATE, "1 MB/s", MB),))


def sample(at_s, behind_bytes=0):
    """Return a sample of a run that writes 1 MB a second and carries all of it."""
    written = int(at_s * MB)
    return Sample(at_s, written, {SLOW: written - behind_bytes}, written)


def test_capacity_follows_the_acts():
    assert STEP.capacity_bytes(0.0, 10.0) == (5 * 4 + 5 * 1) * MB
    assert STEP.capacity_bytes(4.0, 6.0) == 5 * MB
    freeze = next(one for one in SCENARIOS if one.name == "freeze")
    assert freeze.capacity_bytes(5.0, 15.0) == 0


def test_over_budget_is_counted_in_seconds_that_end_above_it():
    assert over_s([(0.0, 0.5), (1.0, 1.5), (3.0, 2.0), (4.0, 0.9)], budget_s=1.0) == 3.0


def test_back_counts_from_what_was_physically_possible():
    lag = [(5.0, 0.5), (6.0, 1.5), (9.0, 1.1), (10.0, 0.4)]
    assert back_s(lag, 1.0, stepped_s=5.0, backlog=2 * MB, rate_bytes_s=MB) == 2.0
    assert back_s(lag, 2.0, stepped_s=5.0, backlog=2 * MB, rate_bytes_s=MB) == 0.0
    assert back_s(lag[:3], 1.0, stepped_s=5.0, backlog=2 * MB, rate_bytes_s=MB) == float("inf")


def test_the_figures_of_a_run():
    samples = [sample(number / 10, behind_bytes=MB // 2) for number in range(101)]
    trace = Trace(samples=samples, rows=[(number / 10, 10) for number in range(101)], latencies_s=[0.001] * 100)
    figures = measure(trace, STEP)
    assert figures.use_from_start == pytest.approx(10 / 25)
    assert figures.use == pytest.approx(7 / (2 * 4 + 5))
    assert figures.lag_median_s == pytest.approx(0.5)
    assert figures.backlog_bytes == MB // 2
    assert figures.rows_s == pytest.approx(96.0)
    assert (figures.over_s, figures.back_s, figures.added_bytes) == (0.0, 0.0, None)
    assert figures.latency_p99_s == 0.001


def test_rounds_come_to_their_medians():
    rounds = [
        measure(Trace(samples=[sample(number / 10, behind) for number in range(101)]), STEP)
        for behind in (0, MB // 2, MB)
    ]
    assert medians(rounds).backlog_bytes == MB // 2
    assert medians(rounds).added_bytes is None
    assert medians(rounds[:1]) == rounds[0]


def test_a_missed_bar_says_by_how_much_and_a_rival_that_is_equal_is_unbeaten():
    figures = measure(Trace(samples=[sample(number / 10) for number in range(101)]), STEP)
    assert [(verdict.kept, verdict.text) for verdict in promised(STEP, figures)] == [
        (False, "use 0.538 >= 0.950"),
        (True, "back within the budget, after what is possible 0.000 s <= 3.000 s"),
    ]
    assert beaten("them", figures, figures).text == "them is worse on nothing"


def test_a_latency_is_the_third_word_of_a_line():
    assert read_latencies("0 1 1500 0 1700000000 12 3\n1 1 250 0 1700000000 13 0\n") == [0.0015, 0.00025]
