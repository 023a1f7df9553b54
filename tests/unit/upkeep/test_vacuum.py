"""When the table is vacuumed, and when one that runs is ended: the decision, without a server."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfill.jobfile.limits import ThrottleLimits
from backfill.throttle.replica_window import ReplicaWindow
from backfill.throttle.signals import Upkeep, VacuumResult
from backfill.throttle.state import ThrottleState
from backfill.throttle.wait_reason import WaitKind, WaitReason
from backfill.upkeep import vacuum, vacuum_cost, vacuum_history
from backfill.upkeep.throttle_view import ThrottleView, throttle_view
from backfill.upkeep.vacuum import choose, reason_to_cancel, summary
from backfill.upkeep.vacuum_choice import Skip, StartVacuum, StopVacuum, VacuumChoice
from backfill.upkeep.vacuum_cost import cost_of
from backfill.upkeep.vacuum_history import VacuumHistory, after_batch, after_vacuum
from tests.factories import MB, limits, signals

NOW_S = 1000.0
LIMITS = limits()
MOVED = VacuumHistory(moved=60_000, since_s=NOW_S - 10, since_lsn=5 * MB)
HEALTHY = Upkeep(dead_tuples=0, live_tuples=1_000_000, oldest_snapshot_s=0.1, vacuums=3, redo_lsn=MB)
CALM = ThrottleView(
    visible=True, blocked_by=None, lag_share=0.1, rate_bytes_s=32.0 * MB, insert_lsn=9 * MB, window_begins=True
)
DONE = VacuumResult(took_s=2.0, removed=60_000, held=0)
LAG = WaitReason(WaitKind.LAG, "replica-a lag 12.4s > 9s")
BLOCKED = WaitReason(WaitKind.BLOCKED, "blocked sessions 1 > 0")


def choice_of(
    history: VacuumHistory = MOVED,
    upkeep: Upkeep = HEALTHY,
    view: ThrottleView = CALM,
    limited: ThrottleLimits = LIMITS,
    now_s: float = NOW_S,
) -> VacuumChoice:
    return choose(limited, history, upkeep, view, now_s)[0]


def running(history: VacuumHistory = MOVED, upkeep: Upkeep = HEALTHY, now_s: float = NOW_S) -> VacuumHistory:
    choice, history = choose(LIMITS, history, upkeep, CALM, now_s)
    assert isinstance(choice, StartVacuum), choice
    return history


def test_rows_that_moved_ask_for_room():
    assert isinstance(choice_of(), StartVacuum)


@pytest.mark.parametrize(
    ("history", "upkeep", "view", "reason"),
    [
        ({"moved": 49_999}, {}, {}, "moved rows 49999 < 50000"),
        ({"moved": 9_999}, {"live_tuples": 1000}, {}, "moved rows 9999 < 10000"),
        ({}, {"vacuumed_by": "autovacuum worker (pid 7)"}, {}, "autovacuum worker (pid 7) vacuums it"),
        ({"paused_until_s": NOW_S + 4}, {}, {}, "paused for 4s"),
        ({}, {"oldest_snapshot_s": 11.0}, {}, "a snapshot of 11s holds every old version"),
        ({}, {"vacuum_needs": "GRANT x;"}, {}, "permission denied"),
        ({}, {}, {"blocked_by": LAG}, "replica-a lag 12.4s > 9s"),
        ({}, {}, {"blocked_by": BLOCKED}, "blocked sessions 1 > 0"),
        ({}, {}, {"lag_share": 0.6}, "lag 60% > 50% of its budget"),
        ({}, {}, {"rate_bytes_s": None}, "the replay rate of a replica is not known yet"),
        ({}, {}, {"rate_bytes_s": 16_384.0}, "wal rate 16kB/s is too low for a vacuum"),
        ({}, {}, {"window_begins": False}, "a window is half done"),
    ],
)
def test_what_leaves_the_table_as_it_is(
    history: dict[str, Any], upkeep: dict[str, Any], view: dict[str, Any], reason: str
):
    choice = choice_of(replace(MOVED, **history), replace(HEALTHY, **upkeep), replace(CALM, **view))
    assert choice == Skip(reason)


@pytest.mark.parametrize(
    ("upkeep", "view", "reason"),
    [
        ({}, {"visible": False}, "its effect on others cannot be seen"),
        ({"redo_lsn": None}, {}, "its effect on others cannot be seen"),
        ({}, {"blocked_by": LAG}, "replica-a lag 12.4s > 9s"),
        ({}, {"lag_share": 0.71}, "lag 71% > 70% of its budget"),
        ({"redo_lsn": 10 * MB}, {}, "a checkpoint began: pages are now logged whole"),
    ],
)
def test_what_ends_one_that_runs(upkeep: dict[str, Any], view: dict[str, Any], reason: str):
    assert choice_of(running(), replace(HEALTHY, **upkeep), replace(CALM, **view)) == StopVacuum(reason)


@pytest.mark.parametrize(
    "view", [CALM, replace(CALM, window_begins=False), replace(CALM, blocked_by=BLOCKED), replace(CALM, lag_share=0.6)]
)
def test_one_that_runs_goes_on_through_what_keeps_another_from_starting(view: ThrottleView):
    assert choice_of(running(), view=view) == Skip("it runs")


def test_one_that_reckons_with_page_images_outlives_a_checkpoint():
    imaged = running(upkeep=replace(HEALTHY, redo_lsn=6 * MB))
    assert choice_of(imaged, replace(HEALTHY, redo_lsn=10 * MB)) == Skip("it runs")


@pytest.mark.parametrize(
    ("waiting", "unchecked_s", "reason"),
    [
        (None, 0.0, "it is unknown who waits for it"),
        (1, 0.0, "sessions waiting for it 1 > 0"),
        (0, 6.0, "no signals read for 6s"),
    ],
)
def test_who_waits_for_it_ends_it_and_so_does_nobody_looking(waiting: int | None, unchecked_s: float, reason: str):
    assert reason_to_cancel(waiting, unchecked_s) == StopVacuum(reason)


def test_nobody_waiting_lets_it_go_on():
    assert reason_to_cancel(0, vacuum.STALE_S) is None


def test_versions_that_moved_while_it_ran_are_for_the_next_one():
    during = after_batch(running(), NOW_S + 1, moved=500, took_s=0.1, insert_lsn=20 * MB, wal_bytes=MB)
    after = after_vacuum(during, DONE, NOW_S + 2)
    assert (after.moved, after.since_s, after.since_lsn) == (500, NOW_S, CALM.insert_lsn)
    assert after.paused_until_s == NOW_S + 2 + DONE.took_s


def test_the_first_version_that_moves_says_since_when():
    history = after_batch(VacuumHistory(), NOW_S, moved=5, took_s=0.5, insert_lsn=3 * MB, wal_bytes=MB)
    history = after_batch(history, NOW_S + 9, moved=5, took_s=0.5, insert_lsn=8 * MB, wal_bytes=MB)
    assert (history.moved, history.since_s, history.since_lsn) == (10, NOW_S - 0.5, 2 * MB)


@pytest.mark.parametrize(
    "ended",
    [
        VacuumResult(took_s=1.0, removed=0, held=30_001),
        VacuumResult(took_s=1.0, stopped="sessions waiting for it 1 > 0"),
        VacuumResult(took_s=1.0, failed="disk full"),
    ],
)
def test_what_comes_to_nothing_is_tried_again_later_and_later(ended: VacuumResult):
    history, now_s, rests = MOVED, NOW_S, []
    for _ in range(9):
        history = after_vacuum(running(history, now_s=now_s), ended, now_s)
        assert history.moved == MOVED.moved
        rests.append(history.paused_until_s - now_s)
        assert isinstance(choice_of(history, now_s=history.paused_until_s - 0.01), Skip)
        now_s = history.paused_until_s
    assert rests[:4] == [10, 20, 40, 80]
    assert rests[-1] == vacuum_history.PAUSE_MAX_S
    assert after_vacuum(running(history, now_s=now_s), DONE, now_s).fruitless == 0


def test_a_language_that_is_not_understood_counts_as_done():
    assert after_vacuum(running(), VacuumResult(took_s=1.0), NOW_S).moved == 0


def test_what_autovacuum_has_done_needs_no_other():
    _, history = choose(LIMITS, replace(MOVED, moved=10), HEALTHY, CALM, NOW_S)
    history = after_batch(history, NOW_S, moved=90_000, took_s=0.1, insert_lsn=9 * MB, wal_bytes=MB)
    choice, history = choose(LIMITS, history, replace(HEALTHY, vacuums=4), CALM, NOW_S)
    assert (choice, history.moved) == (Skip("moved rows 0 < 50000"), 0)


@pytest.mark.parametrize("counted", [[4, 4], [3, 4]])
def test_ours_is_not_taken_for_somebody_elses_however_late_it_is_counted(counted: list[int]):
    history = after_vacuum(running(), DONE, NOW_S)
    history = after_batch(history, NOW_S + 5, moved=70_000, took_s=0.1, insert_lsn=9 * MB, wal_bytes=MB)
    for vacuums in counted:
        _, history = choose(
            LIMITS, history, replace(HEALTHY, vacuums=vacuums), replace(CALM, window_begins=False), NOW_S + 5
        )
    assert history.moved == 70_000


def replica_window(
    name: str, rate_bytes_s: float | None, lag_s: float = 0.0, unreplayed_bytes: int = 0
) -> ReplicaWindow:
    return ReplicaWindow(
        name=name, replay_lsn=0, lag_s=lag_s, unreplayed_bytes=unreplayed_bytes, rate_bytes_s=rate_bytes_s
    )


def view_of(*replica_windows: ReplicaWindow, blocked_by: WaitReason | None = None) -> ThrottleView:
    return throttle_view(
        LIMITS, ThrottleState(replica_windows=replica_windows), signals(), blocked_by, window_begins=True
    )


def test_the_slowest_replica_and_the_worst_lag_count():
    view = view_of(replica_window("a", 9e6, lag_s=1.0), replica_window("b", 4e6, unreplayed_bytes=128 * MB))
    assert (view.rate_bytes_s, view.lag_share) == (4e6, 0.5)
    assert view_of().rate_bytes_s == LIMITS.max_wal_rate_bytes_s
    assert view_of(replica_window("a", 9e6), replica_window("b", None)).rate_bytes_s is None


def test_the_ordinary_pace_does_not_hold_a_vacuum_back():
    for kind in (WaitKind.WINDOW, WaitKind.WAL_RATE):
        assert view_of(blocked_by=WaitReason(kind, "x")).blocked_by is None
    assert view_of(blocked_by=LAG).blocked_by == LAG


def spent_bytes_s(start: StartVacuum, page_bytes: float) -> float:
    return start.cost.limit / (start.cost.delay_ms / 1000) / vacuum_cost.COST_DIRTY * page_bytes


RATES = st.floats(min_value=400e3, max_value=1e9)


@given(RATES, st.booleans(), st.sampled_from(["1s", "10s", "1m"]))
def test_its_wal_stays_within_its_share_of_the_rate(rate_bytes_s: float, imaged: bool, max_lag: str):
    limited = limits(max_lag=max_lag)
    upkeep = replace(HEALTHY, redo_lsn=6 * MB if imaged else MB)
    choice = choice_of(upkeep=upkeep, view=replace(CALM, rate_bytes_s=rate_bytes_s), limited=limited)
    assert isinstance(choice, StartVacuum)
    page_bytes = vacuum_cost.PAGE_IMAGE_BYTES if imaged else vacuum_cost.PAGE_BYTES
    assert spent_bytes_s(choice, page_bytes) <= rate_bytes_s * vacuum_cost.WAL_SHARE * 1.001
    surprise_bytes_s = spent_bytes_s(choice, vacuum_cost.PAGE_IMAGE_BYTES)
    assert (
        surprise_bytes_s
        <= rate_bytes_s * max(vacuum_cost.WAL_SHARE, limited.max_lag_s * vacuum_cost.SURPRISE_SHARE) * 1.001
    )


@given(st.floats(min_value=vacuum.PAGES_MIN_S, max_value=1e9))
def test_the_settings_are_those_that_the_server_takes(pages_s: float):
    cost = cost_of(pages_s)
    assert 1 <= cost.limit <= 10_000
    assert 0 < cost.delay_ms <= 100
    assert cost.limit >= vacuum_cost.COST_DIRTY - 1, "a single page would be slept off in part only"


MAYBE = st.booleans()
UPKEEPS = st.builds(
    Upkeep,
    live_tuples=st.none() | st.integers(0, 10**7),
    oldest_snapshot_s=st.none() | st.floats(0, 100),
    vacuumed_by=st.none() | st.just("autovacuum worker (pid 7)"),
    vacuums=st.none() | st.integers(0, 9),
    vacuum_needs=st.none() | st.just("GRANT x;"),
    redo_lsn=st.none() | st.integers(0, 20 * MB),
)
VIEWS = st.builds(
    ThrottleView,
    visible=MAYBE,
    blocked_by=st.none() | st.sampled_from([LAG, BLOCKED]),
    lag_share=st.floats(0, 2),
    rate_bytes_s=st.none() | st.floats(16e3, 1e9),
    insert_lsn=st.integers(0, 20 * MB),
    window_begins=MAYBE,
)
ENDS = st.builds(
    VacuumResult,
    took_s=st.floats(0, 50),
    held=st.none() | st.integers(0, 10**6),
    stopped=st.none() | st.just("x"),
    failed=st.none() | st.just("y"),
)
STEPS = st.lists(st.tuples(UPKEEPS, VIEWS, st.integers(0, 200_000), MAYBE, ENDS), max_size=30)


@given(STEPS)
def test_whatever_happens_there_are_never_two_and_none_starts_blind_or_unbidden(steps: list[Any]):
    history, ours, now_s = VacuumHistory(), False, 0.0
    for upkeep, view, moved, ends, ended in steps:
        now_s += 1.0
        history = after_batch(history, now_s, moved=moved, took_s=0.1, insert_lsn=view.insert_lsn, wal_bytes=1)
        assert history.moved >= 0
        choice, after = choose(LIMITS, history, upkeep, view, now_s)
        if isinstance(choice, StartVacuum):
            assert not ours
            assert view.visible
            assert None not in (upkeep.redo_lsn, upkeep.vacuums, upkeep.live_tuples, view.rate_bytes_s)
            assert (upkeep.vacuumed_by, upkeep.vacuum_needs, view.blocked_by) == (None, None, None)
            assert view.lag_share <= vacuum.CALM_SHARE
            assert now_s >= history.paused_until_s
            assert history.moved >= vacuum.MOVED_MIN
            ours = True
        elif isinstance(choice, StopVacuum):
            assert ours
        elif ours:
            assert view.visible
            assert view.lag_share <= vacuum.LAG_SHARE
            assert view.blocked_by in (None, BLOCKED)
        history = after
        if ours and (ends or isinstance(choice, StopVacuum)):
            history, ours = after_vacuum(history, ended, now_s), False
        assert (history.running_s is not None) == ours


@pytest.mark.parametrize(
    ("ended", "text"),
    [
        (DONE, "vacuum done in 2s, 60,000 row versions removed"),
        (
            VacuumResult(took_s=2.0, removed=5, held=7),
            "vacuum done in 2s, 5 row versions removed, 7 held by older snapshots",
        ),
        (VacuumResult(took_s=2.0), "vacuum done in 2s"),
        (VacuumResult(took_s=0.5, stopped="the run ends"), "vacuum stopped after 500ms: the run ends"),
        (VacuumResult(took_s=0.5, failed="disk full"), "vacuum failed after 500ms: disk full"),
    ],
)
def test_how_it_ended_is_one_sentence(ended: VacuumResult, text: str):
    assert summary(ended) == text
