"""What a sparkline is drawn from and how: cells of time, marks, colours, bars."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from backfill.observe.terminal.glyphs import ASCII, UNICODE, glyphs_for
from backfill.observe.terminal.history import CARRY_S, CELL_MAX_S, CELL_S, CELLS, History, Mark
from backfill.observe.terminal.sparkline import bar, budget_style, share, sparkline

EVERY_SET = pytest.mark.parametrize("glyphs", [UNICODE, ASCII], ids=["unicode", "ascii"])


def styles(text):
    return [str(span.style) for span in text.spans]


def test_a_cell_is_full_exactly_from_the_budget_on():
    assert sparkline([0.0, 9.99, 10.0, 300.0], 10.0, UNICODE).plain == "▁▇██"


@given(st.lists(st.floats(0, 20), min_size=2))
def test_a_higher_level_is_never_drawn_lower(levels):
    drawn = sparkline(sorted(levels), 10.0, UNICODE).plain
    assert list(drawn) == sorted(drawn, key=UNICODE.levels.index)


@pytest.mark.parametrize(
    ("ratio", "colour"),
    [(0.0, "green"), (0.49, "green"), (0.5, "yellow"), (0.89, "yellow"), (0.9, "red"), (1.0, "red"), (30.0, "red")],
)
def test_the_colour_is_the_share_of_the_budget(ratio, colour):
    assert budget_style(ratio) == colour
    assert styles(sparkline([ratio * 2.0], 2.0, UNICODE)) == [colour]


@EVERY_SET
def test_what_is_no_number_has_a_mark_of_its_own(glyphs):
    drawn = sparkline([None, 0.1, None, Mark.UNKNOWN, Mark.MISSING], 1.0, glyphs).plain
    assert drawn == " " + glyphs.levels[0] + glyphs.unread + glyphs.unknown + glyphs.missing
    assert not set(drawn[2:]) & set(glyphs.levels)


def test_a_budget_of_nothing_is_spent_by_anything():
    assert share(0.0, 0.0) == 0.0
    assert share(0.1, 0.0) == 1.0


@EVERY_SET
@given(ratio=st.floats(-1, 2), width=st.integers(1, 120))
def test_a_bar_has_its_width_and_is_full_only_at_the_end(glyphs, ratio, width):
    drawn = bar(ratio, width, glyphs, "cyan").plain
    assert len(drawn) == width
    assert (drawn == glyphs.bar_done * width) == (ratio >= 1)


def test_a_cell_keeps_the_worst_reading():
    history = History().add(0.0, {"a": 0.1}).add(0.1, {"a": 5.0}).add(0.2, {"a": 0.3})
    assert history.track("a", 0.2, 1) == (5.0,)


def test_unknown_hides_behind_no_number_and_missing_behind_nothing():
    history = History().add(0.0, {"a": Mark.UNKNOWN, "b": Mark.MISSING}).add(0.1, {"a": 9.0, "b": Mark.UNKNOWN})
    assert history.track("a", 0.1, 1) == (Mark.UNKNOWN,)
    assert history.track("b", 0.1, 1) == (Mark.MISSING,)


def test_a_reading_stands_for_a_moment_and_then_the_cell_counts_as_not_read():
    history = History().add(10.0, {"a": 1.0})
    later_s = 10.0 + CARRY_S
    assert history.track("a", later_s, 3) == (1.0, 1.0, 1.0)
    assert history.track("a", later_s + 2 * CELL_S, 3) == (1.0, None, None)
    assert history.track("b", 10.0, 2) == (None, None)


def test_full_cells_are_joined_so_that_the_whole_run_stays_in_view():
    history = History()
    for index in range(CELLS + 1):
        history = history.add(index * CELL_S, {"a": 7.0 if index == 3 else 0.1})
    assert history.cell_s == CELL_S * 2
    levels = history.track("a", CELLS * CELL_S, CELLS // 2 + 1)
    assert levels.index(7.0) == 1
    assert levels.count(7.0) == 1


@settings(deadline=None)
@given(st.lists(st.floats(0, 500), max_size=400))
def test_the_history_is_bounded_and_ascends(steps_s):
    history, now_s = History(), 0.0
    for step_s in steps_s:
        now_s += step_s
        history = history.add(now_s, {"a": step_s})
    indexes = [cell.index for cell in history.cells]
    assert len(indexes) <= CELLS
    assert indexes == sorted(set(indexes))
    assert history.cell_s <= CELL_MAX_S
    assert len(history.track("a", now_s, 40)) == 40


@pytest.mark.parametrize(
    ("encoding", "glyphs"),
    [("utf-8", UNICODE), ("UTF8", UNICODE), ("ascii", ASCII), ("iso-8859-1", ASCII), ("cp1252", ASCII), (None, ASCII)],
)
def test_the_marks_are_those_that_the_encoding_has(encoding, glyphs):
    assert glyphs_for(encoding) is glyphs


def test_foreign_text_cannot_drive_the_terminal():
    assert UNICODE.clean("evil\x1b[2J\x07\nnext\ttab  \u202eline") == "evil [2J next tab line"
    assert ASCII.clean("naïve …") == "na?ve ?"


@EVERY_SET
@given(text=st.text(max_size=60), width=st.integers(0, 40))
def test_fitted_text_fits(glyphs, text, width):
    assert cell_len(glyphs.fit(text, width)) <= width


@pytest.mark.parametrize(
    ("names", "fitted"),
    [
        (["db-1", "db-2"], ["db-1", "db-2"]),
        (["ip-10-0-12-34.internal", "ip-10-0-12-77.internal"], ["ip-10-0-12-34.int…", "ip-10-0-12-77.int…"]),
        (["prod-eu-postgres-replica-0", "prod-eu-postgres-replica-1"], ["…ostgres-replica-0", "…ostgres-replica-1"]),
        (
            ["eu-west-1-db-0.example.internal", "eu-west-1-db-1.example.internal"],
            ["eu-west-1-db-0.ex…", "eu-west-1-db-1.ex…"],
        ),
    ],
)
def test_long_names_are_cut_where_they_are_alike(names, fitted):
    assert list(UNICODE.fit_names(names, 18).values()) == fitted
