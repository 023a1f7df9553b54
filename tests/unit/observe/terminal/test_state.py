"""Events into a view: what is kept, for how long, and what it says of this moment."""

import functools
import json

import pytest

from backfill.events.event import from_dict, to_dict
from backfill.observe.notices import Notice, Severity, leaf_words
from backfill.observe.terminal.activity import QUIET_S, activity_of, recent, wait_shares
from backfill.observe.terminal.reduce import FORGET_S, NOTES_KEPT, WAITS_KEPT, add_note, reduce
from backfill.observe.terminal.state import PACE_S, TerminalState
from backfill.throttle.wait_reason import WaitKind
from tests import event_factories


def view_of(*events):
    """Fold (time, event) pairs."""
    return functools.reduce(lambda view, pair: reduce(view, pair[1], pair[0]), events, TerminalState(began_s=0.0))


def batches(first_s, last_s, step_s=0.2, **changed):
    count = round((last_s - first_s) / step_s)
    return [
        (first_s + step_s * (index + 1), event_factories.batch_done(took_s=step_s, **changed)) for index in range(count)
    ]


def news(view):
    return [(one.notice.text, one.count) for one in view.notes]


def test_a_view_is_the_same_whether_events_come_as_objects_or_as_json_lines():
    events = [(float(index), event) for index, event in enumerate(event_factories.one_of_each())]
    lines = [(at_s, from_dict(json.loads(json.dumps(to_dict(event))))) for at_s, event in events]
    assert view_of(*lines) == view_of(*events)


def test_the_rate_is_that_of_the_last_seconds_and_fades_when_nothing_happens():
    view = view_of((0.0, event_factories.started()), *batches(0.0, 10.0, rows=1000))
    assert recent(view, 10.0).rows_s == pytest.approx(5000, rel=0.06)
    assert recent(view, 10.0 + PACE_S / 2).rows_s == pytest.approx(2500, rel=0.12)
    assert recent(view, 10.0 + 2 * PACE_S).rows_s == 0


def test_the_rate_is_soon_right():
    view = view_of((100.0, event_factories.started()), *batches(100.0, 102.0, rows=1000))
    assert recent(view, 102.0).rows_s == pytest.approx(5000)


def test_averages_outlive_a_pause():
    view = view_of(
        (0.0, event_factories.started()),
        (1.0, event_factories.batch_done(rows=100, rows_hot=50, wal_bytes=45_500, took_s=0.3)),
    )
    for now_s in (1.0, 1000.0):
        lately = recent(view, now_s)
        assert (lately.batch_rows, lately.batch_s) == (100, 0.3)
        assert (lately.row_wal_bytes, lately.hot_ratio) == (455.0, 0.5)


def test_a_batch_without_rows_has_no_cost_a_row():
    lately = recent(
        view_of((0.0, event_factories.started()), (1.0, event_factories.batch_done(rows=0, rows_hot=0))), 1.0
    )
    assert lately.row_wal_bytes is None
    assert lately.hot_ratio is None


def test_nothing_is_claimed_before_the_first_batch():
    assert recent(view_of((0.0, event_factories.started())), 1.0).rows_s is None


def test_a_wait_lasts_from_its_first_event_until_the_batch_that_ends_it_began():
    view = view_of(
        (0.0, event_factories.started()), *((10.0 + step / 4, event_factories.wait_started()) for step in range(9))
    )
    assert activity_of(view, 12.1).text == "replica-a lag 12.4s > 10s"
    assert activity_of(view, 12.1).length == "for 2s"
    view = reduce(view, event_factories.batch_done(took_s=0.2), 12.4)
    assert view.wait is None
    assert view.waits[-1].end_s == pytest.approx(12.2)


def test_another_kind_of_wait_is_another_wait():
    view = view_of(
        (10.0, event_factories.wait_started(WaitKind.WINDOW, "replica-a wal on the way 3MB > 2MB", 1.0)),
        (10.5, event_factories.wait_started(WaitKind.LAG, delay_s=1.0)),
    )
    assert [(one.kind, one.start_s, one.end_s) for one in view.waits] == [
        (WaitKind.WINDOW, 10.0, 10.5),
        (WaitKind.LAG, 10.5, 11.5),
    ]


def test_shares_of_time_waited_are_of_the_last_seconds():
    view = view_of(
        (80.0, event_factories.wait_started(WaitKind.SLOT, "slot old", 5.0)),
        (90.0, event_factories.wait_started(WaitKind.WINDOW, "window", 2.5)),
        (92.5, event_factories.batch_done(took_s=0.0)),
        (95.0, event_factories.wait_started(WaitKind.LAG_BYTES, "bytes", 100.0)),
    )
    assert wait_shares(view, 100.0) == (("lag bytes", 0.5), ("window", 0.25))


def test_waits_and_notices_are_bounded():
    view = TerminalState(began_s=0.0)
    for index in range(WAITS_KEPT * 2):
        view = reduce(view, event_factories.wait_started(WaitKind.WINDOW, "full", 0.001), index / 100)
        view = reduce(view, event_factories.batch_done(took_s=0.0), index / 100)
        view = add_note(view, Notice(f"story {index}"), index / 100)
    assert len(view.waits) == WAITS_KEPT
    assert len(view.notes) == NOTES_KEPT


def test_a_storm_of_retries_is_one_story_for_each_reason():
    view = view_of(
        *((index / 10, event_factories.retry_scheduled(attempt=index + 1)) for index in range(20)),
        (3.0, event_factories.retry_scheduled(reason="40P01", message="deadlock detected\nDETAIL: long")),
    )
    assert news(view) == [
        ("retry 20 in 100ms, 55P03: lock timeout", 20),
        ("retry 1 in 100ms, 40P01: deadlock detected", 1),
    ]


def test_the_ordinary_pace_has_no_notice_and_a_stop_condition_has_one():
    window = [(index / 10, event_factories.wait_started(WaitKind.WINDOW, f"window {index}")) for index in range(5)]
    missing = [
        (1 + index / 4, event_factories.wait_started(WaitKind.MISSING, "replica-a is not connected"))
        for index in range(5)
    ]
    view = view_of(*window, *missing)
    assert news(view) == [("waiting: replica-a is not connected", 1)]
    assert view.notes[0].notice.tone is Severity.BAD


def test_what_a_run_says_of_itself_from_start_to_end():
    view = view_of(*((float(index), event) for index, event in enumerate(event_factories.one_of_each())))
    view = reduce(view, event_factories.pass_done(pass_number=2, rows=0), 20.0)
    texts = [text for text, _ in news(view)]
    assert texts[-3:] == [
        "SIGTERM received: finishing the current batch, then exiting",
        "done: every row is filled",
        "pass 2 found no matching rows",
    ]
    assert "verified in 1s: no row matches any longer" in texts


def test_the_worst_lag_is_kept_and_an_unknown_one_is_not_a_lag():
    view = view_of(
        (0.0, event_factories.signals_read(event_factories.replica(lag_s=0.2))),
        (1.0, event_factories.signals_read(event_factories.replica(lag_s=4.0))),
        (2.0, event_factories.signals_read(event_factories.replica(lag_s=None, lag_bytes=None))),
    )
    assert view.worst == {"replica-a": 4.0}


def test_replicas_that_share_a_name_are_shown_by_the_worse_one():
    view = view_of(
        (
            0.0,
            event_factories.signals_read(
                event_factories.replica("walreceiver", 5.0), event_factories.replica("walreceiver", 0.1)
            ),
        )
    )
    assert view.lag.track("walreceiver", 0.0, 1) == (5.0,)


def test_a_replica_that_vanished_stays_in_view_for_a_while():
    view = view_of(
        (0.0, event_factories.signals_read(event_factories.replica("a"), event_factories.replica("b"))),
        (1.0, event_factories.signals_read(event_factories.replica("a"))),
    )
    assert list(view.seen_s) == ["a", "b"]
    view = reduce(view, event_factories.signals_read(event_factories.replica("a")), 1.0 + FORGET_S)
    assert list(view.seen_s) == ["a"]


def test_a_replica_that_is_missed_is_never_forgotten():
    view = view_of(
        *((at_s, event_factories.signals_read(missing=("b",))) for at_s in (0.0, FORGET_S * 2, FORGET_S * 9))
    )
    assert list(view.seen_s) == ["b"]


def test_a_worker_that_starts_again_keeps_the_history_of_the_cluster():
    view = view_of(
        (0.0, event_factories.started()),
        (1.0, event_factories.signals_read(event_factories.replica(lag_s=3.0))),
        (2.0, event_factories.batch_done(wal_bytes=100)),
        (3.0, event_factories.stopping()),
        (4.0, event_factories.finished(state="stopped", why="SIGTERM")),
        (9.0, event_factories.started(resumed=True, rows_total=5000, progress_ratio=0.42)),
    )
    assert (view.finished, view.stopping, view.batch) == (None, None, None)
    assert view.worst == {"replica-a": 3.0}
    assert (view.rows_total, view.progress_ratio, view.wal_bytes) == (5000, 0.42, 100)
    assert news(view)[-1] == ("resumed at 42.0% of pass 1", 1)


def test_another_job_begins_with_a_clean_view():
    view = view_of(
        (0.0, event_factories.started()),
        (1.0, event_factories.batch_done()),
        (2.0, event_factories.started(job="other")),
    )
    assert (view.job, view.batch, view.waits, view.wal_bytes) == ("other", None, (), 0)
    assert len(view.notes) == 2


@pytest.mark.parametrize(
    ("events", "word"),
    [
        ([], "starts"),
        ([event_factories.lock_waiting()], "waits"),
        ([event_factories.started()], "runs"),
        ([event_factories.started(), event_factories.wait_started(WaitKind.WINDOW, "window")], "pace"),
        (
            [
                event_factories.started(),
                event_factories.wait_started(WaitKind.WINDOW, "window"),
                event_factories.batch_done(took_s=0.0),
            ],
            "pace",
        ),
        ([event_factories.started(), event_factories.wait_started(WaitKind.LAG)], "waits"),
        (
            [
                event_factories.started(),
                event_factories.wait_started(WaitKind.LAG),
                event_factories.batch_done(took_s=0.0),
            ],
            "runs",
        ),
        ([event_factories.started(), event_factories.stopping()], "stops"),
        ([event_factories.started(), event_factories.pass_done(rows=0)], "verify"),
        ([event_factories.started(), event_factories.pass_done(rows=0), event_factories.verified()], "runs"),
        (
            [
                event_factories.started(),
                event_factories.pass_done(rows=0),
                event_factories.pass_restarted(),
                event_factories.batch_done(),
            ],
            "runs",
        ),
        ([event_factories.started(), event_factories.finished(state="halted", why="disk full")], "halted"),
    ],
)
def test_one_word_says_how_it_stands(events, word):
    assert activity_of(view_of(*((5.0, event) for event in events)), 5.1).word == word


def test_silence_is_shown_but_an_announced_wait_is_not_silence():
    view = view_of((0.0, event_factories.started()), (1.0, event_factories.wait_started(delay_s=10.0)))
    assert activity_of(view, 10.9).word == "waits"
    assert activity_of(view, 11.0 + QUIET_S * 0.9).word == "runs"
    assert activity_of(view, 11.0 + QUIET_S).word == "stalled"
    assert activity_of(view, 11.0 + QUIET_S).length == "for 3s"


def test_progress_is_whole_only_when_nothing_is_left():
    almost = [(0.0, event_factories.started()), (1.0, event_factories.batch_done(progress_ratio=1.0))]
    assert view_of(*almost, (2.0, event_factories.finished())).progress_ratio == 1.0
    assert view_of(*almost, (2.0, event_factories.finished(rows_total=70_000))).rows_total == 70_000
    half = [(0.0, event_factories.started()), (1.0, event_factories.batch_done(progress_ratio=0.5))]
    assert view_of(*half, (2.0, event_factories.finished(state="stopped"))).progress_ratio == 0.5


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (event_factories.pass_done(rows=1), "pass 1 done: 1 row"),
        (event_factories.pass_done(rows=126_000), "pass 1 done: 126,000 rows"),
        (event_factories.verified(), "verified in 1s: no row matches any longer"),
        (event_factories.verified(rows_left=3), "verified in 1s: 3 rows still match"),
        (
            event_factories.verified(rows_left=3, rows_unconverged=2),
            "verified in 1s: 3 rows still match, 2 of them cannot converge",
        ),
        (
            event_factories.verified(rows_left=3, rows_unconverged=3),
            "verified in 1s: 3 rows still match and cannot converge",
        ),
        (
            event_factories.verified(rows_left=3, rows_unconverged=3, rows_without_partner=2),
            "verified in 1s: 3 rows still match and cannot converge, 2 have no partner",
        ),
        (event_factories.retry_scheduled(message=""), "retry 1 in 100ms, 55P03: "),
        (
            event_factories.verified(rows_left=5, rows_rejected=5),
            "verified in 1s: 5 rows still match, 5 are rejected by the server",
        ),
        (event_factories.batch_refused(), "batch of 500 rows rejected, 23514: violates it"),
        (event_factories.row_rejected(), 'row {"id": 7} rejected, 3 so far: violates it'),
        (event_factories.lock_taken(waited_s=12.0), "lock taken after 12s"),
    ],
)
def test_notices_read_as_sentences(event, text):
    assert news(view_of((1.0, event))) == [(text, 1)]


def test_a_lock_that_was_free_has_no_notice():
    assert news(view_of((1.0, event_factories.lock_taken(waited_s=0.01)))) == []


def test_a_leaf_is_named_and_progress_does_not_fall_when_one_begins():
    view = view_of(
        (0.0, event_factories.started(leaves=3)),
        (1.0, event_factories.leaf_started(number=1, progress_ratio=0.0)),
        (2.0, event_factories.batch_done(progress_ratio=0.3)),
        (3.0, event_factories.pass_done(rows=0)),
        (4.0, event_factories.verified()),
        (5.0, event_factories.leaf_started(number=2, leaf="public.users_b", progress_ratio=0.3)),
    )
    assert (view.progress_ratio, view.passed, view.verified) == (0.3, None, None)
    assert view.leaf is not None
    assert leaf_words(view.leaf) == "leaf 2 of 3: public.users_b"
    assert [text for text, _ in news(view)][-1] == "leaf 2 of 3: public.users_b, 400 pages"
    assert reduce(view, event_factories.started(), 6.0).leaf is None
