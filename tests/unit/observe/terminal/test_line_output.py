"""Lines for a stream that is no terminal, and the table at the end of either."""

import io
from itertools import pairwise

import pytest
from rich.console import Console

from backfill.observe.terminal.final_table import final_table
from backfill.observe.terminal.glyphs import ASCII, UNICODE
from backfill.observe.terminal.line_output import EVERY_S, LineOutput, line
from backfill.observe.terminal.reduce import reduce
from backfill.observe.terminal.state import TerminalState
from backfill.table.estimate.time_left import TimeLeft
from backfill.throttle.wait_reason import WaitKind
from tests import event_factories

TIMES = UNICODE.times


class Clock:
    """A clock that is set by hand."""

    def __init__(self):
        self.now_s = 100.0

    def __call__(self):
        return self.now_s


class Stream(io.TextIOWrapper):
    """A stream with an encoding, which shows what has left it."""

    def __init__(self, encoding="utf-8"):
        self.sent = io.BytesIO()
        super().__init__(self.sent, encoding=encoding)

    @property
    def lines(self):
        return self.sent.getvalue().decode(self.encoding).splitlines()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def stream():
    return Stream()


@pytest.fixture
def plain(stream, clock):
    return LineOutput(stream, clock)


def view_of(*events):
    view = TerminalState(began_s=0.0)
    for at_s, event in events:
        view = reduce(view, event, at_s)
    return view


RUN = (
    (0.0, event_factories.started(max_lag_s=2.0)),
    (
        10.0,
        event_factories.batch_done(
            rows=157_000, rows_total=126_000, progress_ratio=0.42, time_left=TimeLeft(71.6, 71.6)
        ),
    ),
    (
        12.0,
        event_factories.signals_read(
            event_factories.replica("replica-a", 0.3),
            event_factories.replica("replica-b", None),
            missing=("replica-c",),
        ),
    ),
    (12.0, event_factories.wait_started(WaitKind.WINDOW, "replica-a wal on the way 3.1MB > 2.9MB")),
)


def test_progress_is_one_line():
    assert line(view_of(*RUN), 12.3) == (
        "  12.3s   42.0%  pass 1 · 126,000 rows · 31,400 rows/s · replica-a 300ms/2s · replica-b ?/2s"
        " · replica-c missing · wal 3.8MB/s · ETA 1m12s · pace: replica-a wal on the way 3.1MB > 2.9MB"
    )


def test_progress_is_one_line_in_ascii_too():
    told_line = line(view_of(*RUN), 12.3, ASCII)
    assert told_line.isascii()
    assert len(told_line) == len(line(view_of(*RUN), 12.3, UNICODE))


def test_before_the_start_there_is_only_what_it_waits_for():
    view = view_of(
        (0.0, event_factories.lock_waiting(waited_s=0.0)), (70.0, event_factories.lock_waiting(waited_s=70.0))
    )
    assert line(view, 70.0) == "  1m10s  waits: lock held by pod-1 (pid 42), for 1m10s"


def test_notices_come_at_once_and_progress_now_and_then(plain, stream, clock):
    plain.record(event_factories.started())
    for _ in range(100):
        clock.now_s += 0.11
        plain.record(event_factories.batch_done())
    plain.note("link to replica-b narrowed to 1MB/s")
    lines = stream.lines
    assert lines[0] == "   0.0s  users-handle started on public.users, 1,000 pages"
    assert [one.split()[0] for one in lines] == ["0.0s", "5.1s", "10.1s", "11.0s"]
    assert lines[-1] == "  11.0s  link to replica-b narrowed to 1MB/s"


def test_every_line_is_out_before_the_next_event(plain, stream):
    plain.record(event_factories.started())
    assert stream.lines == ["   0.0s  users-handle started on public.users, 1,000 pages"]


def test_a_storm_is_shown_now_and_then_with_its_count(plain, stream, clock):
    for _ in range(60):
        plain.record(event_factories.retry_scheduled())
        clock.now_s += 0.2
    stories = [one for one in stream.lines if "retry" in one]
    assert [one.rpartition(" ")[2] for one in stories] == ["timeout", f"{TIMES}26", f"{TIMES}51"]
    times_s = [float(one.split()[0].removesuffix("s")) for one in stories]
    assert all(later_s - earlier_s >= EVERY_S for earlier_s, later_s in pairwise(times_s))


def test_the_end_is_the_last_line(plain, stream, clock):
    with plain:
        plain.record(event_factories.started())
        clock.now_s += 60.0
        plain.record(event_factories.finished(state="failed", why="permission denied for table users"))
    assert stream.lines[-1] == "  1m00s  failed: permission denied for table users"


def test_a_stream_gets_only_what_its_encoding_has(clock):
    stream = Stream("ascii")
    plain = LineOutput(stream, clock)
    plain.record(event_factories.started(table="public.größe"))
    clock.now_s += EVERY_S
    plain.record(event_factories.signals_read(event_factories.replica("réplica")))
    assert len(stream.lines) == 2


def ending(finished, **settings):
    written = io.StringIO()
    Console(width=80, file=written, color_system=None).print(final_table(finished, budget_s=10.0, **settings))
    return written.getvalue().splitlines()


def test_the_table_at_the_end():
    assert ending(event_factories.finished(), extra={"table growth": "1.35x"}) == [
        " users-handle  done in 30s",
        "   rows          50,000",
        "   passes        2",
        "   worst lag     600ms, budget 10s",
        "   WAL           15.3MB, 320 bytes a row",
        "   table growth  1.35x",
        "   verified      no row matches `where` any longer",
    ]


def test_rows_that_cannot_converge_are_counted_and_sampled():
    samples = tuple(f"id={number}" for number in range(40))
    lines = ending(event_factories.finished(state="unconverged", rows_unconverged=1412, samples=samples))
    assert lines[5] == "   verified   1,412 rows still match, and no pass can change that"
    assert lines[6] == "   such as    id=0"
    assert len(lines) == 11


def test_a_run_that_did_not_end_proves_nothing_and_says_why():
    lines = ending(
        event_factories.finished(state="halted", why="disk full on the primary", rows_total=0, worst_lag_s=0.0)
    )
    assert lines[3:] == [
        "   worst lag  none seen, budget 10s",
        "   WAL        15.3MB",
        "   verified   not yet",
        "   why        disk full on the primary",
    ]


def test_the_table_can_be_written_in_ascii():
    finished = event_factories.finished(state="failed", why="größer\x1b[2J", samples=("ключ=1",))
    assert all(one.isascii() for one in ending(finished, glyphs=ASCII, extra={"naïve": "ü"}))
