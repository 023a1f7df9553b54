"""Relations between constants: each was chosen with the others in mind."""

from __future__ import annotations

from backfill import gate, worker
from backfill.core import cost, faults, flow, lsn, pacer, retry, scan, scout, sizing, throttle
from tests.factories import batch, limits


def test_a_cut_window_lets_a_batch_go_before_it_is_empty():
    assert sizing.BATCH_SHARE < sizing.BATCH_SHARE_MAX < flow.FILLED_SHARE < 1


def test_a_batch_that_is_a_slice_of_the_window_counts_as_sliced():
    assert sizing.SLICED_SHARE < 1 < sizing.TRAVEL_GAIN


def test_two_minimal_batches_fit_the_target():
    assert 2 * sizing.FLOOR_SHARE <= 1


def test_a_window_that_lets_no_further_batch_go_counts_as_filled():
    assert flow.FILLED_SHARE <= 1 - sizing.BATCH_SHARE


def test_the_target_leaves_room_for_a_reply_and_a_poll_and_a_synchronous_one_for_neither():
    assert sizing.TARGET_SYNC_S < throttle.WALWRITER_S < sizing.TARGET_S
    assert sizing.TARGET_S - throttle.WALWRITER_S >= sizing.TARGET_S * sizing.BATCH_SHARE


def test_what_travels_is_no_longer_than_a_queue():
    assert flow.TRAVEL_MAX_S <= sizing.TARGET_S
    assert sizing.ROUND_TRIPS_MAX_S <= sizing.TARGET_S


def test_a_stop_leaves_room_for_the_batch_and_a_resume_for_many():
    assert faults.RESUME_SHARE < faults.BUDGET_SHARE < 1


def test_the_law_reads_more_often_than_it_acts():
    assert throttle.POLL_MIN_S < throttle.POLL_S <= flow.STEP_S < flow.RATE_SPAN_S
    assert lsn.SPACING_S < flow.STEP_S
    assert throttle.FAULT_POLL_S < flow.STILL_S
    assert throttle.FAULT_POLL_S < throttle.PATIENCE_S


def test_a_rate_is_measured_over_several_replies_and_given_up_after_many_spans():
    assert flow.STILL_S >= 10 * flow.RATE_SPAN_S


def test_fear_is_quicker_than_hope():
    assert 0 < flow.HOPE < flow.FEAR <= 1
    assert 0 < cost.HOPE < 1


def test_growth_is_slower_than_doubling_within_a_rates_span():
    assert 1 < flow.GROWTH < flow.GROWTH_DRY < flow.GROWTH_SHOWN
    assert flow.GROWTH_DRY ** (flow.RATE_SPAN_S / flow.STEP_S) < 2


def test_windows_begin_above_their_floor_and_below_every_ceiling():
    assert flow.WINDOW_MIN_BYTES < flow.WINDOW_START_BYTES < limits(max_lag_bytes="1MB").max_lag_bytes / 2


def test_a_first_burst_is_a_moments_work_of_a_thin_link():
    assert sizing.FLOOR_SHARE * flow.WINDOW_START_BYTES <= 64 * 1024 / 2
    assert batch().min_rows >= sizing.ROWS_UNKNOWN


def test_a_first_estimate_errs_on_the_dear_side_of_a_plain_row():
    assert cost.WAL_BYTES_PRIOR >= 500


def test_saved_time_is_a_small_part_of_a_batches_debt():
    assert pacer.SAVED_S < sizing.DEBT_S < pacer.RATE_WINDOW_S


def test_the_clock_remembers_more_than_the_default_budget_at_full_detail():
    assert limits().max_lag_s < lsn.SAMPLES_MAX / 2 * lsn.SPACING_S


def test_a_retry_is_loud_before_its_wait_reaches_the_bound():
    assert retry.BACKOFF_S * 2**retry.RETRIES_LOUD < retry.BACKOFF_MAX_S


def test_what_only_waits_waits_longer_than_what_is_tried_and_a_batch_leaves_time_for_its_commit():
    assert retry.BACKOFF_MAX_S < retry.PATIENT_MAX_S
    assert 0 < gate.TIMEOUT_SHARE < retry.TIMER_SHARE < 1


def test_one_scout_covers_a_window_at_the_default_batch():
    pages_a_slice = min(scout.SLICE_PAGES_MAX, batch().rows // scout.LINE_POINTERS_MAX)
    assert scout.SLICES_MAX * pages_a_slice >= scan.WINDOW_PAGES


def test_a_scout_of_single_rows_covers_a_page():
    assert scout.SLICES_MAX > scout.LINE_POINTERS_MAX + 1


def test_what_is_told_is_no_older_than_what_is_acted_upon():
    assert gate.MEASURE_SPACING_S <= throttle.POLL_S
    assert gate.SAVE_SPACING_S >= throttle.FAULT_POLL_S


def test_the_lock_is_tried_within_seconds_of_its_holders_end():
    assert worker.LOCK_POLL_S <= 5
