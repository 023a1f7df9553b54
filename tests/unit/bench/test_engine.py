"""What the engine's benchmark says of its runs follows from their batches, and its jobs are jobs."""

import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from backfill.jobfile.load import load
from bench.engine.contenders import CONTENDERS, KEYSET, ONE_LANE, PAGES, PLAIN
from bench.engine.figures import Figures, lines, ratio, took_s
from bench.engine.picture import picture
from bench.engine.report import HEAD, summary, table
from bench.engine.scenario import BASE, MB, SCENARIOS, UUID_MANY
from bench.engine.tally import Tally
from bench.engine.targets import promised
from bench.engine.usage import TICKS_S, Usage, parsed
from bench.workload import job_file

BY_NAME = {one.name: one for one in SCENARIOS}
RUN = Figures(
    took_s=2.0,
    wal_bytes_row=600.0,
    hot_ratio=0.5,
    table_growth=1.5,
    index_growth=1.1,
    decile_ratio=1.0,
    batch_p99_s=0.05,
    rows_transaction=5000,
    cpu_s_100k=0.04,
    peak_bytes=60 * MB,
)


def tallied(times_s, rows=10):
    """Return a tally of batches that came one right after the other."""
    totals = Tally(rows * len(times_s))
    totals.begin(100.0)
    at_s = 100.0
    for time_s in times_s:
        at_s += time_s
        totals.batch(at_s, rows, time_s)
    totals.end(at_s + 1.0)
    return totals


def test_the_last_tenth_of_the_rows_is_held_against_the_first():
    totals = tallied([1.0] * 10 + [2.0] * 80 + [3.0] * 10)
    assert totals.decile_ratio == pytest.approx(3.0)
    assert totals.took_s == pytest.approx(201.0)


def test_what_lies_between_batches_is_part_of_their_cost():
    totals = Tally(20)
    totals.begin(0.0)
    for number in range(20):
        totals.batch(number + 1.0 if number < 18 else 18 + 4.0 * (number - 17), 1, 0.1)
    assert totals.decile_ratio == pytest.approx(4.0)


def test_few_batches_have_no_deciles_and_an_empty_one_is_none():
    assert tallied([1.0] * 19).decile_ratio is None
    totals = tallied([1.0] * 20)
    totals.batch(500.0, 0, 500.0)
    assert totals.decile_ratio == pytest.approx(1.0)
    assert totals.batch_p99_s == pytest.approx(1.0, rel=0.01)


def test_a_percentile_is_right_to_one_in_a_hundred():
    assert tallied([0.01] * 99 + [1.0]).batch_p99_s == pytest.approx(0.01, rel=0.01)
    assert tallied([0.01] * 98 + [1.0] * 2).batch_p99_s == pytest.approx(1.0, rel=0.01)
    assert tallied([0.123]).batch_p99_s == pytest.approx(0.123, rel=0.01)


def test_a_tally_stays_small_however_many_batches_there_are():
    totals = tallied([0.001 + number % 1000 / 1000 for number in range(50_000)])
    assert len(totals._times) < 400


def test_ratios_are_medians_of_rounds_and_not_ratios_of_medians():
    rounds = {
        PLAIN: [replace(RUN, took_s=seconds) for seconds in (1.0, 4.0, 9.0)],
        PAGES: [replace(RUN, took_s=seconds) for seconds in (2.0, 2.0, 3.0)],
    }
    assert ratio(rounds, PLAIN, PAGES, took_s) == 2.0
    assert ratio(rounds, KEYSET, PAGES, took_s) is None
    plain, ours = lines(rounds)
    assert (plain.speed_to_plain, ours.speed_to_plain) == (1.0, 2.0)
    assert (ours.wal_to_plain, ours.wal_to_keyset) == (1.0, None)
    assert ours.figures.took_s == 2.0


def test_what_a_run_lacks_is_reported_as_such():
    bare = replace(RUN, index_growth=None, decile_ratio=None, cpu_s_100k=None, peak_bytes=None)
    rounds = {PLAIN: [bare], PAGES: [RUN]}
    head, plain, ours = table(CONTENDERS, rounds).splitlines()
    assert head == HEAD
    assert len(head) == len(plain) == len(ours)
    assert plain.split()[-2:] == ["-", "-"]
    assert ours.split()[-2:] == ["60", "MB"]
    assert (
        summary(CONTENDERS, {BASE: rounds}, [BY_NAME[BASE]]).splitlines()[1].split().count("-") == len(CONTENDERS) - 2
    )


def test_bars_hold_the_lane_against_the_plain_update():
    slow = replace(RUN, took_s=1.5, wal_bytes_row=300.0, rows_transaction=10_001, cpu_s_100k=0.051)
    told = [(verdict.kept, verdict.text) for verdict in promised(BY_NAME[BASE], {PLAIN: [RUN], ONE_LANE: [slow]})]
    assert told == [
        (False, "one lane: speed to plain UPDATE 1.333 >= 1.400"),
        (True, "one lane: WAL a row to plain UPDATE 0.500 <= 0.650"),
        (True, "one lane: last to first decile 1.000 <= 1.100"),
        (False, "one lane: table growth 1.500 <= 1.400"),
        (False, "one lane: CPU for 100,000 rows 0.051 s <= 0.050 s"),
        (True, "one lane: memory 60.000 MB <= 100.000 MB"),
        (False, "one lane: most rows in a transaction 10,001 <= 10,000"),
    ]


def test_bars_of_random_keys_look_at_the_keyset():
    told = [one.text for one in promised(BY_NAME[UUID_MANY], {KEYSET: [RUN], ONE_LANE: [RUN]})]
    assert told[0] == "one lane: WAL a row to keyset 1.000 <= 0.270"


@pytest.mark.parametrize("name", ["indexed-target", "old-snapshot", "feedback"])
def test_where_stripes_do_not_pay_ours_is_held_against_plain_page_ranges(name):
    more = replace(RUN, wal_bytes_row=606.1, took_s=2.21)
    verdicts = list(promised(BY_NAME[name], {PAGES: [RUN], ONE_LANE: [more]}))[:2]
    assert [one.kept for one in verdicts] == [False, False]
    assert all(one.kept for one in promised(BY_NAME[name], {PAGES: [RUN], ONE_LANE: [RUN]}))


@pytest.mark.parametrize("contender", [one for one in CONTENDERS if one.is_ours], ids=lambda one: one.name)
def test_our_jobs_are_jobs(contender):
    with job_file(more=contender.job) as path:
        load(path.read_text(encoding="utf-8"), path.name)


def test_names_are_unique_and_the_plain_update_goes_first():
    for names in ([one.name for one in CONTENDERS], [one.name for one in SCENARIOS]):
        assert len(set(names)) == len(names)
    assert CONTENDERS[0].name == PLAIN


def test_many_checkpoints_have_a_table_that_lasts_for_them():
    asked = (20_000, 300_000, 1_000_000, 10**8)
    assert [BY_NAME[UUID_MANY].rows(rows) for rows in asked] == [80_000, 1_000_000, 1_000_000, 10**8]
    assert [BY_NAME[BASE].rows(rows) for rows in asked] == list(asked)
    assert BY_NAME["wide"].rows(300_000) == 60_000


def test_usage_is_read_past_a_name_with_spaces_and_not_from_the_dead():
    stat = f"7 (a name) here) S {' '.join(['0'] * 10)} {3 * TICKS_S} {TICKS_S} 0 0"
    assert parsed(stat, "Name:\tx\nVmHWM:\t    2048 kB\n") == Usage(4.0, 2 * MB)
    assert parsed(stat, "Name:\tx\nState:\tZ (zombie)\n") is None


def test_the_picture_has_a_panel_for_each_scenario_and_a_bar_for_each_contender():
    rounds = {PLAIN: [RUN], KEYSET: [replace(RUN, took_s=0.1)], PAGES: [RUN]}
    scenarios = [BY_NAME[BASE], BY_NAME[UUID_MANY]]
    figure = ET.fromstring(picture(CONTENDERS, {one.name: rounds for one in scenarios}, scenarios))
    words = [element.text for element in figure.iter("{http://www.w3.org/2000/svg}text")]
    assert all(words.count(one.title) == 1 for one in scenarios)
    assert words.count("keyset by primary key") == 2
    assert words.count("20.00") == 2
    assert len(list(figure.iter("{http://www.w3.org/2000/svg}rect"))) == 1 + 2 * 2 * 3
