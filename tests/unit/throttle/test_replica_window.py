"""The window of one replica: what readings show of its rate, and when the window grows or is cut."""

from __future__ import annotations

import pytest

from backfill.throttle.replica_window import (
    GROWTH,
    GROWTH_DRY,
    GROWTH_SHOWN,
    RATE_SPAN_S,
    STEP_S,
    STILL_S,
    TRAVEL_MAX_S,
    WINDOW_MIN_BYTES,
    WINDOW_START_BYTES,
    ReplicaWindow,
    adapt,
    after_reading,
    start,
)

KB, MB = 1024, 1024 * 1024
FAR = 1 << 40


def known(**changed) -> ReplicaWindow:
    """Return the flow of a replica that replays 1 MB/s and has a queue."""
    values = {
        "name": "replica-a",
        "replay_lsn": 0,
        "lag_s": 0.0,
        "unreplayed_bytes": 0,
        "window_bytes": 400.0 * KB,
        "rate_bytes_s": 1.0 * MB,
        "busy": True,
        "allowed_s": 0.4,
        "used_bytes": 400.0 * KB,
        "queued_bytes": 1,
    }
    return ReplicaWindow(**{**values, **changed})


def read(
    replica_window: ReplicaWindow,
    at_s: float,
    replay_lsn: int,
    behind: int,
    lag_s: float = 0.0,
    *,
    unflushed: int = 0,
    **changed,
) -> ReplicaWindow:
    lsn = replay_lsn + behind
    values = {"age_s": 9.0, "target_s": 0.4, "bound_s": 5.0, **changed}
    return after_reading(
        replica_window, at_s, replay_lsn, insert_lsn=lsn, flush_lsn=lsn - unflushed, lag_s=lag_s, **values
    )


def stepped(replica_window: ReplicaWindow, *, limited: bool = False, at_s: float = 100.0) -> ReplicaWindow:
    return adapt(replica_window, at_s, ceiling_bytes=FAR, limited=limited)


def test_a_replica_seen_for_the_first_time_has_a_small_window_and_no_rate():
    replica_window = start("replica-a", 5.0, 1000)
    assert (replica_window.window_bytes, replica_window.rate_bytes_s, replica_window.room_bytes(0.0)) == (
        WINDOW_START_BYTES,
        None,
        WINDOW_START_BYTES,
    )


def test_the_room_is_what_the_window_has_left():
    assert read(known(), 0.1, 0, 100 * KB).room_bytes(0.0) == 300 * KB
    assert read(known(), 0.1, 0, 500 * KB).room_bytes(0.0) == -100 * KB


def test_a_replica_ahead_of_the_reading_is_not_behind():
    assert read(known(), 0.1, 2000, -1000).unreplayed_bytes == 0


def test_nothing_is_learned_within_a_span():
    assert read(known(), RATE_SPAN_S * 0.9, 10 * MB, 300 * KB).rate_bytes_s == 1 * MB


def test_a_queue_that_always_stood_shows_a_rate_that_fell_at_once_and_one_that_rose_slowly():
    slower = read(known(), 1.0, 500 * KB, 300 * KB).rate_bytes_s
    faster = read(known(), 1.0, 2 * MB, 300 * KB).rate_bytes_s
    assert slower is not None
    assert faster is not None
    assert 500 * KB < slower < 750 * KB
    assert 1 * MB < faster <= 1.5 * MB


def test_without_a_queue_a_rate_is_only_a_lower_bound():
    assert read(known(), 1.0, 100 * KB, 0).rate_bytes_s == 1 * MB
    assert read(known(), 1.0, 3 * MB, 0).rate_bytes_s == 3 * MB


def test_what_the_primary_has_not_flushed_is_no_queue_of_the_replica():
    replica_window = read(known(), 1.0, 100 * KB, 300 * KB, 0.2, unflushed=300 * KB)
    assert (replica_window.unreplayed_bytes, replica_window.queued_bytes, replica_window.queue_s) == (300 * KB, 0, 0.0)
    assert replica_window.rate_bytes_s == 1 * MB


def test_one_dry_reading_spoils_a_span():
    dry = read(known(), 0.1, 20 * KB, 0)
    assert read(dry, 1.0, 100 * KB, 300 * KB).rate_bytes_s == 1 * MB


def test_a_thin_link_that_delivers_in_lumps_is_measured_from_lump_to_lump():
    replica_window = known(rate_bytes_s=64.0 * KB, window_bytes=64.0 * KB)
    for tenth in range(1, 81):
        lumps = tenth // 20
        replica_window = read(replica_window, tenth / 10, lumps * 128 * KB, 60 * KB, 1.0)
    assert replica_window.rate_bytes_s == pytest.approx(64 * KB, rel=0.1)


def test_one_that_stands_still_keeps_its_rate():
    replica_window = known()
    for tenth in range(1, 200):
        replica_window = read(replica_window, tenth / 10, 0, 300 * KB, tenth / 10)
    assert replica_window.rate_bytes_s == 1 * MB


def test_a_long_freeze_is_no_part_of_the_rate():
    replica_window = known()
    for tenth in range(1, int(STILL_S * 10) + 2):
        replica_window = read(replica_window, tenth / 10, 0, 300 * KB, tenth / 10)
    at_s = STILL_S + 0.1 + RATE_SPAN_S
    thawed = read(replica_window, at_s, int(RATE_SPAN_S * MB), 300 * KB, at_s)
    assert thawed.rate_bytes_s == pytest.approx(1 * MB, rel=0.3)


def test_moving_is_remembered():
    moved = read(known(), 3.0, 10, 300 * KB)
    assert moved.moved_s == 3.0
    assert read(moved, 4.0, 10, 300 * KB).moved_s == 3.0


def test_the_queue_is_what_is_on_the_way_where_that_is_more_than_the_lag():
    assert read(known(), 0.1, 0, 2 * MB, 0.1).queue_s == 2.0
    assert read(known(), 0.1, 0, 100 * KB, 3.0).queue_s == 3.0
    assert read(start("replica-a", 0.0, 0), 0.1, 0, 2 * MB, 0.1).queue_s == 0.1


def test_travel_is_allowed_besides_the_target_and_learned_from_the_quickest():
    replica_window = read(known(), 0.1, 10, 300 * KB, age_s=0.2)
    assert replica_window.travel_s == 0.2
    assert replica_window.allowed_s == pytest.approx(0.6)
    assert read(replica_window, 0.2, 20, 300 * KB, age_s=0.1).travel_s == 0.1
    assert read(replica_window, 0.2, 10, 300 * KB, age_s=0.1).travel_s == 0.2


def test_what_travels_long_is_a_queue_and_the_budget_bounds_what_is_allowed():
    assert read(known(), 0.1, 10, 300 * KB, age_s=7.0).allowed_s == 0.4 + TRAVEL_MAX_S
    assert read(known(), 0.1, 10, 300 * KB, age_s=0.2, bound_s=0.5).allowed_s == 0.5


def test_what_is_replayed_while_a_batch_travels_makes_room():
    behind = read(known(), 0.1, 0, 400 * KB)
    assert behind.room_bytes(0.1) == pytest.approx(0.1 * MB)
    assert behind.room_bytes(9.0) == 400 * KB


def test_the_most_that_was_on_the_way_or_wanted_counts_as_used():
    replica_window = read(known(used_bytes=0.0, unreplayed_bytes=100 * KB), 0.1, 0, 50 * KB, wanted_bytes=200.0 * KB)
    assert replica_window.used_bytes == 300 * KB
    assert read(replica_window, 0.2, 0, 350 * KB).used_bytes == 350 * KB
    assert stepped(replica_window).used_bytes == 0.0


def test_a_window_changes_at_most_once_a_step():
    first = stepped(known(), at_s=STEP_S)
    assert stepped(first, at_s=STEP_S * 1.9) == first


def test_a_filled_window_doubles_up_to_what_the_replica_has_shown():
    assert stepped(known(rate_bytes_s=50.0 * MB)).window_bytes == 400 * KB * GROWTH_SHOWN
    assert stepped(known(rate_bytes_s=1.2 * MB)).window_bytes == pytest.approx(1.2 * MB * 0.4)


def test_beyond_that_a_filled_window_grows_a_little_and_more_where_the_replica_ran_dry():
    shown = known(rate_bytes_s=0.9 * MB)
    assert stepped(shown).window_bytes == 400 * KB * GROWTH
    assert stepped(read(shown, 0.1, 0, 0, bound_s=0.4)).window_bytes == 400 * KB * GROWTH_DRY


def test_a_window_that_is_not_what_holds_us_back_does_not_grow():
    assert stepped(known(used_bytes=200.0 * KB)).window_bytes == 400 * KB


def test_a_window_that_makes_batches_small_grows_to_what_was_shown_and_no_further():
    narrow = known(window_bytes=300.0 * KB, used_bytes=0.0, rate_bytes_s=5.0 * MB)
    assert stepped(narrow, limited=True).window_bytes == 300 * KB * GROWTH_SHOWN
    wide = known(window_bytes=0.4 * MB, used_bytes=0.0)
    assert stepped(wide, limited=True).window_bytes == 0.4 * MB


def test_nothing_grows_before_something_was_replayed():
    assert stepped(start("replica-a", 0.0, 0)).window_bytes == WINDOW_START_BYTES


def test_a_queue_above_what_is_allowed_cuts_to_what_was_shown():
    assert stepped(known(lag_s=0.5, allowed_s=0.2)).window_bytes == pytest.approx(0.2 * MB)
    assert stepped(known(queued_bytes=300 * KB, allowed_s=0.2)).window_bytes == pytest.approx(0.2 * MB)


def test_a_replica_that_ran_dry_behind_a_full_window_was_not_late_for_its_queue():
    late = known(lag_s=0.5, allowed_s=0.2, dry=True)
    assert stepped(late).window_bytes == 400 * KB * GROWTH_DRY
    assert stepped(known(lag_s=0.5, allowed_s=0.2, dry=True, used_bytes=0.0)).window_bytes == pytest.approx(0.2 * MB)


def test_a_cut_never_widens():
    assert stepped(known(lag_s=0.5, rate_bytes_s=50.0 * MB)).window_bytes == 400 * KB


def test_a_window_stays_between_its_floor_and_its_ceiling():
    assert stepped(known(lag_s=9.0, rate_bytes_s=1.0)).window_bytes == WINDOW_MIN_BYTES
    assert adapt(known(), 100.0, ceiling_bytes=300 * KB, limited=False).window_bytes == 300 * KB
