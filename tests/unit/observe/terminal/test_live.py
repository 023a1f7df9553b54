"""The picture: what stands in it, that it fits, and that the terminal is given back."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from backfill.observe.notices import Notice
from backfill.observe.terminal.glyphs import ASCII, UNICODE
from backfill.observe.terminal.layout import WIDTH_MAX, render
from backfill.observe.terminal.live import Live
from backfill.observe.terminal.reduce import add_note, reduce
from backfill.observe.terminal.state import TerminalState
from backfill.table.estimate.time_left import TimeLeft
from backfill.throttle.wait_reason import WaitKind
from tests import event_factories

DASH, MISSING = UNICODE.nothing, UNICODE.missing
LONG = "ip-10-0-{}-77.eu-west-1.compute.internal"


def view_of(*events, began_s=0.0):
    view = TerminalState(began_s=began_s)
    for at_s, event in events:
        view = add_note(view, Notice(event), at_s) if isinstance(event, str) else reduce(view, event, at_s)
    return view


def drawn(view, now_s, width=80, height=24, glyphs=UNICODE):
    """Return the frame's lines as a terminal of that width shows them."""
    written = io.StringIO()
    Console(width=width, file=written, color_system=None).print(render(view, now_s, width, height, glyphs))
    return [line.rstrip() for line in written.getvalue().splitlines()]


def line_with(label, lines):
    return next(line for line in lines if line.split()[:1] == [label])


def usual(now_s=20.0, **changed):
    """A run in the middle: two replicas, one of them slower."""
    pairs = [(0.0, event_factories.started(max_lag_s=2.0, pages=121_951))]
    for index in range(round(now_s / 0.25)):
        at_s = (index + 1) * 0.25
        slow_s = 0.2 + 0.1 * (index % 8)
        readings = (
            event_factories.replica("replica-a", 0.02, 40_000),
            event_factories.replica("replica-b", slow_s, 3 << 20),
        )
        pairs += [
            (at_s, event_factories.signals_read(*readings)),
            (
                at_s - 0.25,
                event_factories.wait_started(WaitKind.WINDOW, "replica-b wal on the way 3.1MB > 2.9MB", 0.05),
            ),
            (
                at_s,
                event_factories.batch_done(
                    rows_total=5000 * (index + 1), last_page=51_230, progress_ratio=0.42, **changed
                ),
            ),
        ]
    return [*pairs, (now_s, "link to replica-b narrowed to 1MB/s")]


def test_the_frame():
    assert drawn(view_of(*usual()), 20.0) == [
        " users-handle  public.users                                                 20s",
        " ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╸─────────────────────────────────────────  42.0%",
        "",
        " rows    400,000             rate    20,000 rows/s       ETA     42s",
        " pass    1, stripe 1 of 8    page    51,230 of 121,951   window  2.9MB",
        " batch   5,000 rows, 200ms   WAL     320 B/row           HOT     90%",
        "",
        " lag        last 20s, scale 0 to 2s                       now    worst   behind",
        " replica-a  ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁     20ms     20ms   39.1kB",
        " replica-b  ▂▃▃▄▂▃▃▄▂▃▃▄▂▃▃▄▂▃▃▄▂▃▃▄▂▃▃▄▂▃▃▄▂▃▃▄▂▃▃▄    900ms    900ms      3MB",
        "",
        " WAL        last 20s, scale 0 to 32MB/s                   now     peak    total",
        " job        ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁  3.8MB/s  3.8MB/s    122MB",
        " all        ▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂  4.8MB/s  4.8MB/s",
        "",
        " pace    replica-b wal on the way 3.1MB > 2.9MB",
        "         waited 20% of the last 10s: window",
        "",
        "   0.0s  users-handle started on public.users, 121,951 pages",
        "  20.0s  link to replica-b narrowed to 1MB/s",
    ]


@pytest.mark.parametrize("width", [60, 64, 70, 75, 76, 80, 100, 140, 220])
@pytest.mark.parametrize("replicas", [0, 1, 3, 11])
def test_it_fits_the_terminal(width, replicas):
    readings = [event_factories.replica(LONG.format(index), index / 10, 1 << 20) for index in range(replicas)]
    notes = [(5.0 + index, f"a long story of many words that goes on and on, number {index}" * 3) for index in range(9)]
    view = view_of(
        (
            0.0,
            event_factories.started(job="orders-" * 20, table="sales." + "o" * 200, pages=134_217_728, max_lag_s=2.0),
        ),
        (1.0, event_factories.signals_read(*readings, missing=("gone-" * 10,) if replicas else ())),
        (
            2.0,
            event_factories.batch_done(
                last_page=98_765_432, rows_total=12_345_678_901, time_left=TimeLeft(180_000.0, 180_000.0)
            ),
        ),
        (
            3.0,
            event_factories.wait_started(
                WaitKind.MISSING, f"{LONG} is not connected (missing from pg_stat_replication)" * 2
            ),
        ),
        *notes,
    )
    lines = drawn(view, 20.0, width)
    assert len(lines) <= 23
    assert max(cell_len(line) for line in lines) <= min(width, WIDTH_MAX)
    assert any("number 8" in line for line in lines) or "story" in lines[-1]


def test_a_low_terminal_loses_air_first():
    assert "" in drawn(view_of(*usual()), 20.0, height=24)
    lines = drawn(view_of(*usual()), 20.0, height=17)
    assert len(lines) <= 16
    assert "" not in lines
    assert "narrowed" in lines[-1]


def test_a_terminal_that_is_too_narrow_cuts_lines_and_folds_none():
    assert len(drawn(view_of(*usual()), 20.0, width=40)) == len(drawn(view_of(*usual()), 20.0, width=60))


def test_the_worst_replicas_are_shown_when_there_are_too_many():
    readings = [event_factories.replica(f"replica-{index:02}", 0.01 * index) for index in range(11)]
    readings[4] = event_factories.replica("replica-04", None, None)
    lines = drawn(
        view_of(
            (0.0, event_factories.started()),
            (1.0, event_factories.signals_read(*readings)),
            (1.0, event_factories.batch_done()),
        ),
        1.0,
    )
    assert [line.split()[0] for line in lines if line.startswith(" replica")] == [
        "replica-04",
        "replica-08",
        "replica-09",
        "replica-10",
    ]
    assert "and 7 more, worst 70ms" in line_with("and", lines)


def test_unknown_and_missing_are_said_and_are_no_bar():
    readings = (event_factories.replica("a", None, None), event_factories.replica("dr-1", 99.0, counted=False))
    view = view_of(
        (0.0, event_factories.started()),
        (1.0, event_factories.signals_read(*readings, missing=("b",))),
        (1.1, event_factories.wait_started()),
    )
    lines = drawn(view, 1.1)
    assert line_with("a", lines).split()[-3:] == ["?", DASH, "?"]
    assert line_with("b", lines).split()[-3:] == ["missing", DASH, DASH]
    assert MISSING in line_with("b", lines)
    assert line_with("dr-1", lines).split()[-3:] == ["1m39s", "ignored", "1MB"]


def test_a_replica_that_left_unasked_is_gone():
    view = view_of(
        (0.0, event_factories.started()),
        (1.0, event_factories.signals_read(event_factories.replica("a"))),
        (2.0, event_factories.signals_read()),
    )
    assert line_with("a", drawn(view, 2.0)).split()[-3:] == ["gone", "400ms", DASH]


def test_old_readings_are_not_passed_off_as_new():
    view = view_of(*usual())
    assert line_with("replica-b", drawn(view, 30.0)).split()[-3:] == [DASH, "900ms", DASH]
    assert line_with("job", drawn(view, 30.0)).split()[-3:] == [DASH, "3.8MB/s", "122MB"]


def test_without_replicas_it_says_so():
    view = view_of(
        (0.0, event_factories.started()),
        (0.1, event_factories.no_replicas()),
        (0.2, event_factories.signals_read(wal_budget_bytes=0.0)),
    )
    lines = drawn(view, 1.0)
    assert line_with("lag", lines).split() == ["lag", "no", "replica", "in", "view"]
    assert "max_wal_rate 32MB/s alone sets the pace" in lines[-1]
    assert line_with("pass", lines).split()[-2:] == ["window", DASH]


def estimate(*events, now_s):
    return line_with("rows", drawn(view_of((0.0, event_factories.started()), *events), now_s)).split("ETA")[1].strip()


def test_the_estimate_is_the_one_of_the_worker():
    assert estimate(now_s=0.1) == DASH
    assert estimate((1.0, event_factories.batch_done(time_left=None)), now_s=1.0) == "unknown"
    assert estimate((1.0, event_factories.batch_done(time_left=TimeLeft(71.6, 71.6))), now_s=1.0) == "1m12s"
    assert (
        estimate(
            (1.0, event_factories.batch_done(time_left=TimeLeft(71.6, 71.6))),
            (1.0, event_factories.wait_started(delay_s=5.0)),
            now_s=3.0,
        )
        == "1m12s, waiting"
    )
    assert (
        estimate(
            (1.0, event_factories.batch_done(time_left=TimeLeft(71.6, 71.6))),
            (1.0, event_factories.wait_started(WaitKind.WINDOW, "w", 5.0)),
            now_s=3.0,
        )
        == "1m12s"
    )
    assert estimate((1.0, event_factories.batch_done(time_left=TimeLeft(71.6, 71.6))), now_s=30.0) == "unknown"


def test_pages_are_exact_while_there_is_room():
    small = view_of((0.0, event_factories.started(pages=121_951)), (1.0, event_factories.batch_done(last_page=51_230)))
    assert "page    51,230 of 121,951" in line_with("pass", drawn(small, 1.0))
    large = view_of(
        (0.0, event_factories.started(pages=134_217_728)), (1.0, event_factories.batch_done(last_page=98_765_432))
    )
    assert "page    98.8M of 134.2M" in line_with("pass", drawn(large, 1.0))
    grown = view_of((0.0, event_factories.started(pages=100)), (1.0, event_factories.batch_done(last_page=120)))
    assert "page    120  " in line_with("pass", drawn(grown, 1.0))


def test_later_passes_have_no_stripes():
    view = view_of((0.0, event_factories.started()), (1.0, event_factories.batch_done(pass_number=2)))
    assert line_with("pass", drawn(view, 1.0)).split()[:3] == ["pass", "2", "page"]


def test_a_wait_for_the_lock_names_its_holder():
    view = view_of(*((float(index), event_factories.lock_waiting(waited_s=float(index))) for index in range(10)))
    lines = drawn(view, 9.5)
    assert line_with("waits", lines) == " waits   lock held by pod-1 (pid 42)"
    assert "         for 9s" in lines
    assert sum("waiting for the lock" in line for line in lines) == 1


def test_the_last_frame_stands_still_and_says_how_it_ended():
    ended = event_factories.finished(
        state="unconverged", why="412 rows still match", rows_total=400_000, elapsed_s=20.0
    )
    view = view_of(*usual(), (21.0, ended), (25.0, "the standby agrees with the primary"))
    lines = drawn(view, 500.0)
    assert lines == drawn(view, 21.0)
    assert lines[1].endswith("━ 100.0%")
    assert "20,000 rows/s mean" in line_with("rows", lines)
    assert line_with("rows", lines).endswith("took    20s")
    assert line_with("unconverged", lines) == " unconverged 412 rows still match"
    assert lines[-1] == "  25.0s  the standby agrees with the primary"
    assert not any("unconverged:" in line for line in lines)


def test_it_can_be_drawn_in_ascii():
    view = view_of(
        *usual(),
        (21.0, event_factories.signals_read(event_factories.replica("réplica", None, None), missing=("b",))),
        (21.0, "naïve"),
    )
    assert all(line.isascii() for line in drawn(view, 21.0, glyphs=ASCII))


def test_foreign_text_cannot_drive_the_terminal():
    view = view_of(
        (0.0, event_factories.started(job="a\x1b[2J", table="t\x1b[31m")),
        (1.0, event_factories.signals_read(event_factories.replica("evil\x1b]0;title\x07"), missing=("m\x1b[H",))),
        (2.0, event_factories.retry_scheduled(reason="x", message="\x1b[2Jboom")),
    )
    assert not any("\x1b" in line or "\x07" in line for line in drawn(view, 2.0))


seconds = st.floats(0, 1e7)
sizes = st.integers(0, 2**60)
names = st.sampled_from(["a", "b", "dr-1", LONG, "réplica-\x1b[2J", "複製" * 12])
readings = st.builds(event_factories.replica, names, st.none() | seconds, st.none() | sizes, st.booleans())
anything = st.one_of(
    st.builds(
        event_factories.started,
        job=st.sampled_from(["one", "two"]),
        resumed=st.booleans(),
        max_lag_s=seconds,
        max_lag_bytes=sizes,
        max_wal_rate_bytes_s=sizes,
        pages=sizes,
    ),
    st.builds(
        lambda found, **changed: event_factories.signals_read(*found, **changed),
        st.lists(readings, max_size=6),
        missing=st.lists(names, max_size=3).map(tuple),
        wal_rate_bytes_s=st.none() | st.floats(0, 1e18),
        own_wal_rate_bytes_s=st.floats(0, 1e18),
        wal_budget_bytes=st.floats(0, 1e18),
    ),
    st.builds(event_factories.wait_started, st.sampled_from(WaitKind), st.text(max_size=200), seconds),
    st.builds(
        event_factories.batch_done,
        pass_number=st.integers(1, 3),
        rows=st.integers(0, 10**6),
        wal_bytes=sizes,
        took_s=seconds,
        last_page=sizes,
        rows_total=sizes,
        progress_ratio=st.floats(0, 1),
        time_left=st.none() | st.builds(TimeLeft, seconds, seconds),
    ),
    st.builds(event_factories.retry_scheduled, message=st.text(max_size=200), attempt=st.integers(1, 99)),
    st.builds(event_factories.lock_waiting, waited_s=seconds),
    st.sampled_from(event_factories.one_of_each()),
)


@settings(deadline=None)
@given(
    steps=st.lists(st.tuples(st.floats(0, 1e4), anything), max_size=12),
    width=st.integers(60, 130),
    height=st.integers(5, 60),
    glyphs=st.sampled_from([UNICODE, ASCII]),
)
def test_whatever_happens_there_is_a_frame_and_it_fits(steps, width, height, glyphs):
    view, now_s = TerminalState(began_s=0.0), 0.0
    for step_s, event in steps:
        now_s += step_s
        view = reduce(view, event, now_s)
    for line in drawn(view, now_s + 0.5, width, height, glyphs):
        assert cell_len(line) <= min(width, WIDTH_MAX)
        assert "\x1b" not in line


def terminal(written, **changed):
    return Console(file=written, width=80, height=24, force_terminal=True, color_system="standard", **changed)


def test_the_terminal_is_restored_with_the_last_frame_on_it():
    written = io.StringIO()
    with Live(terminal(written), clock=lambda: 0.0) as live:
        live.record(event_factories.started())
        live.note("worker killed with SIGKILL")
    shown = written.getvalue()
    assert shown.index("\x1b[?25l") < shown.rindex("worker killed with SIGKILL") < shown.rindex("\x1b[?25h")
    assert shown.endswith("\n\x1b[?25h")


def fail_inside(live):
    with live:
        live.record(event_factories.started())
        raise RuntimeError("boom")


def test_an_exception_passes_and_the_cursor_comes_back():
    written = io.StringIO()
    with pytest.raises(RuntimeError, match="boom"):
        fail_inside(Live(terminal(written), clock=lambda: 0.0))
    assert written.getvalue().rindex("\x1b[?25h") > written.getvalue().rindex("public.users")


def test_no_color_is_honoured():
    written = io.StringIO()
    terminal(written, no_color=True).print(render(view_of(*usual()), 20.0, 80))
    assert "\x1b[3" not in written.getvalue()
