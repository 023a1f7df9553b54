"""Relations between constants: each was chosen with the others in mind."""

from __future__ import annotations

from backfill.engine import job_run
from backfill.engine.admission import readings, wait_persistence
from backfill.retry import sqlstate
from backfill.table import checkpoint, row_counts
from backfill.throttle import batch_size, decide, lsn_clock, replica_window, row_cost, wal_rate
from backfill.throttle.conditions import replication, stop_condition
from tests.factories import batch, limits


def test_a_cut_window_lets_a_batch_go_before_it_is_empty():
    assert batch_size.BATCH_SHARE < batch_size.BATCH_SHARE_MAX < replica_window.FILLED_SHARE < 1


def test_a_batch_that_is_a_slice_of_the_window_counts_as_sliced():
    assert batch_size.SLICED_SHARE < 1 < batch_size.TRAVEL_GAIN


def test_two_minimal_batches_fit_the_target():
    assert 2 * batch_size.FLOOR_SHARE <= 1


def test_a_window_that_lets_no_further_batch_go_counts_as_filled():
    assert replica_window.FILLED_SHARE <= 1 - batch_size.BATCH_SHARE


def test_the_target_leaves_room_for_a_reply_and_a_poll_and_a_synchronous_one_for_neither():
    assert batch_size.TARGET_SYNC_S < decide.WALWRITER_S < batch_size.TARGET_S
    assert batch_size.TARGET_S - decide.WALWRITER_S >= batch_size.TARGET_S * batch_size.BATCH_SHARE


def test_what_travels_is_no_longer_than_a_queue():
    assert replica_window.TRAVEL_MAX_S <= batch_size.TARGET_S
    assert batch_size.ROUND_TRIPS_MAX_S <= batch_size.TARGET_S


def test_a_stop_leaves_room_for_the_batch_and_a_resume_for_many():
    assert stop_condition.RESUME_SHARE < replication.BUDGET_SHARE < 1


def test_the_law_reads_more_often_than_it_acts():
    assert decide.POLL_MIN_S < decide.POLL_S <= replica_window.STEP_S < replica_window.RATE_SPAN_S
    assert lsn_clock.SPACING_S < replica_window.STEP_S
    assert decide.STOPPED_POLL_S < replica_window.STILL_S
    assert decide.STOPPED_POLL_S < decide.PATIENCE_S


def test_a_rate_is_measured_over_several_replies_and_given_up_after_many_spans():
    assert replica_window.STILL_S >= 10 * replica_window.RATE_SPAN_S


def test_a_falling_rate_counts_more_than_a_rising_one():
    assert 0 < replica_window.WEIGHT_UP < replica_window.WEIGHT_DOWN <= 1
    assert 0 < row_cost.WEIGHT_DOWN < 1


def test_growth_is_slower_than_doubling_within_a_rates_span():
    assert 1 < replica_window.GROWTH < replica_window.GROWTH_DRY < replica_window.GROWTH_SHOWN
    assert replica_window.GROWTH_DRY ** (replica_window.RATE_SPAN_S / replica_window.STEP_S) < 2


def test_windows_begin_above_their_floor_and_below_every_ceiling():
    assert (
        replica_window.WINDOW_MIN_BYTES
        < replica_window.WINDOW_START_BYTES
        < limits(max_lag_bytes="1MB").max_lag_bytes / 2
    )


def test_a_first_burst_is_a_moments_work_of_a_thin_link():
    assert batch_size.FLOOR_SHARE * replica_window.WINDOW_START_BYTES <= 64 * 1024 / 2
    assert batch().min_rows >= batch_size.ROWS_UNKNOWN


def test_a_first_estimate_errs_on_the_dear_side_of_a_plain_row():
    assert row_cost.WAL_BYTES_PRIOR >= 500


def test_saved_time_is_a_small_part_of_a_batches_debt():
    assert wal_rate.SAVED_S < batch_size.DEBT_S < wal_rate.RATE_WINDOW_S


def test_the_clock_remembers_more_than_the_default_budget_at_full_detail():
    assert limits().max_lag_s < lsn_clock.SAMPLES_MAX / 2 * lsn_clock.SPACING_S


def test_a_retry_is_loud_before_its_wait_reaches_the_bound():
    assert sqlstate.BACKOFF_S * 2**sqlstate.RETRIES_LOUD < sqlstate.BACKOFF_MAX_S


def test_what_only_waits_waits_longer_than_what_is_tried_and_a_batch_leaves_time_for_its_commit():
    assert sqlstate.BACKOFF_MAX_S < sqlstate.PATIENT_MAX_S
    assert 0 < batch_size.TIMEOUT_SHARE < sqlstate.TIMER_SHARE < 1


def test_one_scout_covers_a_window_at_the_default_batch():
    pages_a_slice = min(row_counts.SLICE_PAGES_MAX, batch().rows // row_counts.LINE_POINTERS_MAX)
    assert row_counts.SLICES_MAX * pages_a_slice >= checkpoint.WINDOW_PAGES


def test_a_scout_of_single_rows_covers_a_page():
    assert row_counts.SLICES_MAX > row_counts.LINE_POINTERS_MAX + 1


def test_what_is_reported_is_no_older_than_what_is_acted_upon():
    assert readings.MEASURE_SPACING_S <= decide.POLL_S
    assert wait_persistence.SAVE_SPACING_S >= decide.STOPPED_POLL_S


def test_the_lock_is_tried_within_seconds_of_its_holders_end():
    assert job_run.LOCK_POLL_S <= 5
