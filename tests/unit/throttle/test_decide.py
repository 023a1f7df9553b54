"""The law, boundary by boundary; `make mutations` breaks it on purpose."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backfill.throttle import batch_size
from backfill.throttle import decide as law
from backfill.throttle import state as states
from backfill.throttle.batch_size import (
    BATCH_SHARE,
    BATCH_SHARE_MAX,
    ROUND_TRIPS_MAX_S,
    ROWS_UNKNOWN,
    TARGET_S,
    TARGET_SYNC_S,
)
from backfill.throttle.conditions.seen_replicas import SeenReplica
from backfill.throttle.decide import PATIENCE_S, POLL_MIN_S, POLL_S, STOPPED_POLL_S
from backfill.throttle.decision_values import Run, Wait
from backfill.throttle.lsn_clock import LsnClock
from backfill.throttle.replica_window import TRAVEL_MAX_S, WINDOW_START_BYTES, ReplicaWindow
from backfill.throttle.row_cost import WAL_BYTES_PRIOR, RowCost
from backfill.throttle.state import ThrottleState
from backfill.throttle.wait_reason import WaitKind
from backfill.throttle.wal_rate import WalDebt
from tests.factories import MB, batch, limits, replica, signals

KB = 1024
CHEAP = RowCost(100.0, 100.0, 1e-5)


def path(**changed) -> ReplicaWindow:
    values = {
        "name": "replica-a",
        "replay_lsn": 0,
        "lag_s": 0.0,
        "unreplayed_bytes": 0,
        "window_bytes": 1.0 * MB,
        "rate_bytes_s": 4.0 * MB,
        "sampled_s": 100.0,
    }
    return ReplicaWindow(**{**values, **changed})


def paced(*replica_windows: ReplicaWindow, **changed) -> ThrottleState:
    seen = tuple(SeenReplica(name=one.name) for one in replica_windows)
    return ThrottleState(**{"cost": CHEAP, "replica_windows": replica_windows, "seen": seen, **changed})


def decide(throttle_state: ThrottleState, reading, *, stripe: int = 0, rows: dict[str, int] | None = None, **changed):
    return law.decide(limits(**changed), batch(**rows or {}), throttle_state, reading, stripe)


def behind(size: int, at_s: float = 100.0, name: str = "replica-a"):
    """Return a reading in which one replica is so many bytes behind."""
    return signals(at_s, 1 << 30, replica(name, (1 << 30) - size))


def wished(throttle_state: ThrottleState, *, stripe: int = 0, rows: dict[str, int] | None = None, **changed) -> int:
    return batch_size.next_batch_rows(limits(**changed), batch(**rows or {}), throttle_state, stripe).rows


def test_without_a_replica_only_the_own_rate_counts():
    decision, _ = decide(ThrottleState(), signals())
    assert isinstance(decision, Run)


def test_a_replica_that_has_everything_lets_a_batch_go():
    decision, _ = decide(ThrottleState(), behind(0))
    assert isinstance(decision, Run)
    assert decision.rows == WINDOW_START_BYTES / WAL_BYTES_PRIOR / 2
    assert decision.flush


def test_hidden_replication_waits():
    decision, _ = decide(paced(), signals(visible=False))
    assert isinstance(decision, Wait)
    assert (decision.reason.kind, decision.delay_s) == (WaitKind.BLIND, STOPPED_POLL_S)


def test_an_unknown_position_waits():
    decision, throttle_state = decide(paced(), signals(0.0, 5, replica("replica-a", None)))
    assert isinstance(decision, Wait)
    assert decision.reason.kind is WaitKind.BLIND
    assert throttle_state.replica_windows == ()


def test_a_replica_that_was_seen_once_is_missed():
    _, throttle_state = decide(ThrottleState(), behind(0))
    decision, throttle_state = decide(throttle_state, signals(101.0, 1 << 30))
    assert isinstance(decision, Wait)
    assert str(decision.reason) == (
        "replica-a is not connected (missing from pg_stat_replication); seen by this job;"
        " if it is gone for good, run: backfill tune JOB replicas.ignore=replica-a"
    )
    decision, _ = decide(throttle_state, signals(102.0, 1 << 30))
    assert isinstance(decision, Wait)


def test_a_required_replica_that_was_never_seen_is_missed():
    decision, _ = decide(ThrottleState(), signals(), replicas={"require": ["replica-a"]})
    assert isinstance(decision, Wait)
    assert decision.reason.kind is WaitKind.MISSING


def test_a_name_that_is_required_no_longer_is_no_longer_missed():
    _, throttle_state = decide(ThrottleState(), behind(0), replicas={"require": ["replica-A"]})
    assert throttle_state.expected == {"replica-A", "replica-a"}
    assert [replica.name for replica in throttle_state.seen] == ["replica-a"]
    decision, _ = decide(throttle_state, behind(0), replicas={"require": ["replica-a"]})
    assert isinstance(decision, Run)


def test_an_ignored_replica_is_neither_waited_for_nor_missed():
    ignored = {"ignore": ["dr-*"]}
    decision, throttle_state = decide(ThrottleState(), behind(1 << 29, name="dr-1"), replicas=ignored)
    assert isinstance(decision, Run)
    assert (throttle_state.replica_windows, throttle_state.expected) == ((), frozenset())
    assert isinstance(decide(throttle_state, signals(101.0, 1 << 30), replicas=ignored)[0], Run)


def test_a_replica_ignored_after_it_was_seen_is_not_missed():
    _, throttle_state = decide(ThrottleState(), behind(0))
    decision, _ = decide(throttle_state, signals(101.0, 1 << 30), replicas={"ignore": ["replica-a"]})
    assert isinstance(decision, Run)


def test_a_replica_that_returns_is_learned_anew():
    _, throttle_state = decide(paced(path()), behind(0))
    assert throttle_state.replica_windows[0].rate_bytes_s == 4 * MB
    _, throttle_state = decide(throttle_state, signals(101.0, 1 << 30))
    _, throttle_state = decide(throttle_state, behind(0, 160.0))
    assert (throttle_state.replica_windows[0].rate_bytes_s, throttle_state.replica_windows[0].window_bytes) == (
        None,
        WINDOW_START_BYTES,
    )


def test_a_batch_goes_only_where_it_fits_the_window():
    throttle_state = paced(path(), admitted_s=99.9)
    fits, _ = decide(throttle_state, behind(500 * KB))
    full, _ = decide(throttle_state, behind(990 * KB))
    assert isinstance(fits, Run)
    assert isinstance(full, Wait)
    assert full.reason.kind is WaitKind.WINDOW
    assert str(full.reason).startswith("replica-a wal on the way ")


def test_the_wait_is_as_long_as_the_excess_takes_to_be_replayed():
    throttle_state = paced(path(rate_bytes_s=16.0 * MB, stepped_s=100.0), admitted_s=99.9)
    wanted = 0.2 * MB  # a slice of the window
    decision, _ = decide(throttle_state, behind(MB))
    assert isinstance(decision, Wait)
    assert decision.delay_s == pytest.approx(wanted / (16 * MB), rel=0.05)
    slow, _ = decide(paced(path(rate_bytes_s=64.0 * KB, stepped_s=100.0), admitted_s=99.9), behind(MB))
    fast, _ = decide(paced(path(rate_bytes_s=1000.0 * MB, stepped_s=100.0), admitted_s=99.9), behind(MB))
    assert isinstance(slow, Wait)
    assert isinstance(fast, Wait)
    assert (fast.delay_s, slow.delay_s) == (POLL_MIN_S, BATCH_SHARE * TARGET_S)


def test_an_idle_path_admits_a_minimal_batch():
    """An estimate larger than the window, as after a checkpoint, must not stop the job for ever."""
    dear = RowCost(2e6, 2e6, 1e-5)
    decision, _ = decide(paced(path(window_bytes=32.0 * KB), cost=dear, admitted_s=99.9), behind(0))
    assert decision == Run(1, "replica-a is idle", flush=True)


def test_a_path_that_is_not_idle_makes_a_dear_batch_wait():
    dear = RowCost(2e6, 2e6, 1e-5)
    decision, _ = decide(paced(path(window_bytes=32.0 * KB), cost=dear, admitted_s=99.9), behind(1))
    assert isinstance(decision, Wait)


def test_when_others_fill_the_window_a_minimal_batch_goes_now_and_then():
    throttle_state = paced(path(), admitted_s=100.0)
    decision, throttle_state = decide(throttle_state, behind(5 * MB, 100.0 + PATIENCE_S))
    assert isinstance(decision, Wait)
    reading = signals(100.1 + PATIENCE_S, 2 << 30, replica("replica-a", (2 << 30) - 5 * MB))
    decision, throttle_state = decide(throttle_state, reading)
    assert isinstance(decision, Run)
    decision, _ = decide(throttle_state, replace(reading, at_s=100.2 + PATIENCE_S))
    assert isinstance(decision, Wait)


def test_a_frozen_replica_gets_no_such_batch():
    throttle_state = paced(
        path(replay_lsn=(1 << 30) - 5 * MB, sampled_lsn=(1 << 30) - 5 * MB, moved_s=99.0), admitted_s=100.0
    )
    for tenth in range(1, 40):
        decision, throttle_state = decide(throttle_state, behind(5 * MB, 100.0 + tenth / 10))
        assert isinstance(decision, Wait)


def test_nor_does_one_that_is_halfway_to_its_budget():
    throttle_state = paced(path(), admitted_s=100.0)
    throttle_state = states.tick(states.tick(throttle_state, 97.0, (1 << 30) - 6 * MB), 97.1, 1 << 30)
    reading = behind(5 * MB, 100.1 + PATIENCE_S)
    assert isinstance(decide(throttle_state, reading, max_lag="60s")[0], Run)
    assert isinstance(decide(throttle_state, reading, max_lag="10s")[0], Wait)


def test_the_fullest_of_several_replicas_decides():
    throttle_state = paced(path(), path(name="replica-b"), admitted_s=99.9)
    reading = signals(100.0, 1 << 30, replica("replica-a", 1 << 30), replica("replica-b", (1 << 30) - 2 * MB))
    decision, _ = decide(throttle_state, reading)
    assert isinstance(decision, Wait)
    assert str(decision.reason).startswith("replica-b wal on the way")


def test_only_the_replica_that_fills_gets_a_wider_window():
    slow, fast = path(name="slow"), path(name="fast", window_bytes=64.0 * MB)
    throttle_state = paced(slow, fast, admitted_s=99.9)
    for tenth in range(20):
        at_s = 100.0 + tenth / 10
        reading = signals(at_s, 1 << 30, replica("slow", (1 << 30) - MB), replica("fast", 1 << 30))
        _, throttle_state = decide(throttle_state, reading)
    windows = {one.name: one.window_bytes for one in throttle_state.replica_windows}
    assert windows["slow"] > MB
    assert windows["fast"] == 64 * MB


def test_lag_over_its_budget_waits_and_says_so():
    throttle_state = states.tick(states.tick(paced(path()), 80.0, (1 << 30) - MB), 81.0, 1 << 30)
    decision, _ = decide(throttle_state, behind(KB))
    assert isinstance(decision, Wait)
    assert str(decision.reason) == "replica-a lag 19s > 9s"


def test_after_a_stop_lag_has_to_come_back_to_half():
    throttle_state = states.tick(states.tick(paced(path()), 80.0, (1 << 30) - MB), 81.0, 1 << 30)
    _, throttle_state = decide(throttle_state, behind(KB))
    throttle_state = replace(throttle_state, clock=LsnClock((94.0, 95.0), ((1 << 30) - MB, 1 << 30)))
    decision, _ = decide(throttle_state, behind(KB))
    calm, _ = decide(replace(throttle_state, stopped=frozenset()), behind(KB))
    assert isinstance(decision, Wait)
    assert str(decision.reason) == "replica-a lag 5s > 4.5s (after a stop, half of the limit)"
    assert isinstance(calm, Run)


def test_own_wal_over_its_rate_waits_until_the_debt_is_paid():
    owing = paced(wal_debt=WalDebt(debt_bytes=2.0 * MB, at_s=100.0))
    decision, _ = decide(owing, signals(100.0), max_wal_rate="1MB/s")
    assert isinstance(decision, Wait)
    assert (str(decision.reason), decision.delay_s) == ("own wal 3MB/s > 1MB/s", POLL_S)
    nearly, _ = decide(owing, signals(101.999), max_wal_rate="1MB/s")
    assert isinstance(nearly, Wait)
    assert nearly.delay_s == POLL_MIN_S
    paid, _ = decide(owing, signals(102.0), max_wal_rate="1MB/s")
    assert isinstance(paid, Run)


def test_a_stop_condition_comes_before_the_pace():
    owing = paced(wal_debt=WalDebt(debt_bytes=2.0 * MB, at_s=100.0))
    decision, _ = decide(owing, signals(100.0, visible=False))
    assert isinstance(decision, Wait)
    assert decision.reason.kind is WaitKind.BLIND


def test_the_first_batch_has_the_jobs_rows_where_no_replica_listens():
    assert wished(ThrottleState(cost=RowCost(10.0, 10.0))) == 5000


def test_rows_follow_the_time_that_a_batch_should_take():
    assert wished(paced(cost=RowCost(10.0, 10.0, 50e-6))) == 5000
    assert wished(paced(cost=RowCost(10.0, 10.0, 100e-6))) == 2500


def test_rows_are_capped_by_max_rows():
    assert wished(paced(cost=RowCost(1.0, 1.0, 1e-9))) == 10_000
    assert wished(paced(path(window_bytes=1e12), cost=RowCost(1.0, 1.0, 1e-9))) == 10_000


def test_rows_do_not_fall_below_min_rows_for_time_alone():
    assert wished(paced(cost=RowCost(10.0, 10.0, 1.0))) == 1000


def test_no_batch_costs_more_than_half_a_second_of_the_own_rate():
    assert wished(paced(cost=RowCost(1024.0, 1024.0, 1e-6)), max_wal_rate="1MB/s") == 512
    assert wished(paced(cost=RowCost(1e9, 1e9, 1e-6)), max_wal_rate="1MB/s") == 1


def test_a_batch_is_a_slice_of_the_smallest_window():
    replica_windows = (path(window_bytes=10.0 * MB, unreplayed_bytes=9 * MB), path(window_bytes=99.0 * MB))
    assert wished(paced(*replica_windows, cost=RowCost(1024.0, 1024.0, 1e-6))) == 2048


def test_far_from_the_server_a_batch_is_what_is_replayed_while_it_travels_and_more():
    far = replace(paced(path(window_bytes=5.0 * MB), cost=RowCost(1024.0, 1024.0, 1e-6)), round_trip_s=0.02)
    assert wished(far) == 2560
    assert wished(replace(far, round_trip_s=9.0)) == 5120 * BATCH_SHARE_MAX


def test_on_a_thin_link_the_budget_wins_over_min_rows():
    thin = path(window_bytes=32.0 * KB, rate_bytes_s=64.0 * KB, unreplayed_bytes=32 * KB)
    assert wished(paced(thin, cost=RowCost(1024.0, 1024.0, 1e-6))) == 9


def test_a_replica_of_unknown_rate_gets_few_rows():
    unknown = path(rate_bytes_s=None, window_bytes=float(WINDOW_START_BYTES), unreplayed_bytes=WINDOW_START_BYTES)
    assert wished(paced(unknown, cost=RowCost())) == WINDOW_START_BYTES / WAL_BYTES_PRIOR / 2
    assert wished(paced(unknown, cost=CHEAP)) == max(ROWS_UNKNOWN, int(WINDOW_START_BYTES * BATCH_SHARE / 100))
    assert wished(paced(unknown, cost=RowCost()), rows={"rows": 7}) == 7


def test_rows_known_to_be_dear_do_not_burst_towards_a_replica_of_unknown_rate():
    unknown = path(rate_bytes_s=None, window_bytes=float(WINDOW_START_BYTES))
    assert wished(paced(unknown, cost=RowCost(500_000.0, 500_000.0, 1e-5))) == 1


def test_each_stripe_has_its_own_cost():
    throttle_state = paced(path(window_bytes=5.0 * MB, unreplayed_bytes=5 * MB), cost=RowCost(4096.0, 512.0, 1e-6))
    assert (wished(throttle_state, stripe=0), wished(throttle_state, stripe=1)) == (256, 2048)


def test_the_target_is_never_above_half_the_budget():
    assert batch_size.target_s(limits(max_lag="1h")) == TARGET_S
    assert batch_size.target_s(limits(max_lag="500ms")) == 0.25


def test_a_synchronous_standby_gets_a_short_queue_and_a_worker_far_away_a_longer_one():
    assert batch_size.target_s(limits(), sync=True) == TARGET_SYNC_S
    assert batch_size.target_s(limits(), 0.04) == TARGET_S + 0.2
    assert batch_size.target_s(limits(), 9.0) == TARGET_S + ROUND_TRIPS_MAX_S
    _, throttle_state = decide(
        ThrottleState(), signals(100.0, 1 << 30, replace(replica("replica-a", 1 << 30), sync=True))
    )
    assert throttle_state.replica_windows[0].allowed_s == TARGET_SYNC_S + TRAVEL_MAX_S


def test_a_batch_that_waited_for_the_window_is_flushed_and_one_that_nothing_holds_is_not():
    calm = paced(path(window_bytes=100.0 * MB), admitted_s=99.9)
    free, _ = decide(calm, behind(0))
    held, _ = decide(replace(calm, held=True), behind(0))
    assert isinstance(free, Run)
    assert isinstance(held, Run)
    assert (free.flush, held.flush) == (False, True)


def test_a_window_that_is_full_makes_the_next_batch_flush_once():
    throttle_state = paced(path(window_bytes=100.0 * MB), admitted_s=99.9)
    _, throttle_state = decide(throttle_state, behind(200 * MB))
    assert throttle_state.held
    _, throttle_state = decide(replace(throttle_state, replica_windows=calm_flows(throttle_state)), behind(0, 100.1))
    assert not throttle_state.held


def calm_flows(throttle_state: ThrottleState) -> tuple[ReplicaWindow, ...]:
    return tuple(replace(one, window_bytes=100.0 * MB) for one in throttle_state.replica_windows)


def test_a_batch_made_small_by_a_window_that_may_grow_is_flushed():
    narrow = paced(path(window_bytes=0.5 * MB, rate_bytes_s=40.0 * MB, stepped_s=100.0), admitted_s=99.9)
    assert decide(narrow, behind(0))[0] == Run(1048, "window of replica-a", flush=True)
    assert decide(narrow, behind(0), rows={"rows": 500, "min_rows": 500, "max_rows": 500})[0] == Run(500, "max_rows")


def test_a_target_shorter_than_the_walwriters_delay_is_always_flushed():
    throttle_state = paced(path(window_bytes=100.0 * MB), admitted_s=99.9)
    assert decide(throttle_state, behind(0), max_lag="300ms")[0] == Run(10_000, "max_rows", flush=True)


def test_what_is_replayed_while_a_batch_travels_is_no_obstacle():
    throttle_state = paced(path(stepped_s=100.0), admitted_s=99.9)
    near, _ = decide(throttle_state, behind(MB))
    far, _ = decide(throttle_state, replace(behind(MB), round_trip_s=0.1))
    hiccup, _ = decide(replace(throttle_state, round_trip_s=0.001), replace(behind(MB), round_trip_s=0.1))
    assert isinstance(hiccup, Wait)
    assert isinstance(near, Wait)
    assert isinstance(far, Run)


def test_the_time_that_a_batch_only_travels_is_not_the_rows_cost():
    far, beyond = (replace(paced(cost=RowCost()), round_trip_s=round_trip_s) for round_trip_s in (0.05, 9.0))
    learnt = states.after_batch(far, stripe=0, rows=100, wal_bytes=1, took_s=0.3)
    assert learnt.cost.row_s == pytest.approx(0.001)
    learnt = states.after_batch(beyond, stripe=0, rows=100, wal_bytes=1, took_s=0.3)
    assert learnt.cost.row_s == pytest.approx(0.0003)


def test_the_cost_of_a_batch_is_learned_and_owed():
    throttle_state = states.after_batch(paced(), stripe=0, rows=100, wal_bytes=50_000, took_s=0.01)
    assert (throttle_state.cost.wal_bytes(0), throttle_state.wal_debt.debt_bytes) == (500.0, 50_000)


def test_the_budget_is_the_smallest_window_and_nothing_without_replicas():
    assert paced(path(window_bytes=7.0), path(window_bytes=5.0)).wal_budget_bytes == 5.0
    assert ThrottleState().wal_budget_bytes == 0.0


def test_the_rate_of_all_wal_needs_two_readings():
    _, throttle_state = decide(ThrottleState(), signals(100.0, 0))
    assert throttle_state.wal_rate_bytes_s is None
    _, throttle_state = decide(throttle_state, signals(101.0, 3 * MB))
    assert throttle_state.wal_rate_bytes_s == 3 * MB
    _, throttle_state = decide(throttle_state, signals(110.0, 3 * MB))
    assert throttle_state.wal_rate_bytes_s is None
