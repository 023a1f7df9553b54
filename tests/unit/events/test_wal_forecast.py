"""What measured batches say of a whole job's WAL: likely, between two amounts, and at most."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfill.events.measurement import INDEX_IMAGE_BYTES, PAGE_BYTES, Measurement, Place, heap_image_bytes
from backfill.events.wal_forecast import (
    COMPRESSED_INDEX_SHARE,
    ForecastInputs,
    forecast,
    image_ratio,
    index_image_ratio,
)
from backfill.table.checkpoint import Layout
from backfill.table.estimate.row_sample import RowEstimate
from backfill.table.stripe_plan import PageProfile

MB = 1024 * 1024
FULL = PageProfile(rows=70, due=70, row_bytes=112, updated_bytes=120)
WARM = Measurement(
    first_page=10,
    last_page=12,
    pages=3,
    rows=200,
    rows_unconverged=0,
    rows_hot=0,
    wal_bytes=60_000,
    locks_wal_bytes=12_000,
    took_s=0.01,
)
COLD = replace(
    WARM,
    heap_images=3,
    heap_image_bytes=8000.0,
    index_images=1,
    wal_bytes=60_000 + INDEX_IMAGE_BYTES,
    locks_wal_bytes=36_000,
)
EXACT = RowEstimate(100_000, 100_000, 100_000, 100_000)


def inputs(**changed: Any) -> ForecastInputs:
    values: dict[str, Any] = {
        "rows": EXACT,
        "due_pages": 1500.0,
        "window_rows": 100_000.0,
        "table_rows": 1_000_000,
        "heap_pages": 15_000,
        "index_pages": 3000,
        "indexes": 1,
        "checkpoint_bytes": 1024.0 * MB,
        "max_wal_rate_bytes_s": 4 * MB,
    }
    return ForecastInputs(**values | changed)


def likely(places: tuple[Place, ...], **changed: Any) -> int:
    told = forecast(inputs(**changed), places)
    assert told is not None
    return told.wal_bytes


def test_nothing_measured_is_nothing_forecast():
    assert forecast(inputs(), ()) is None


def test_pages_with_images_cost_their_records_alone():
    told = forecast(inputs(), (Place(WARM),))
    assert told is not None
    assert told.wal_bytes == 100_000 * 300
    assert told.at_max_wal_rate_s == pytest.approx(100_000 * 300 / (4 * MB))


def test_each_page_to_do_pays_for_an_image_once():
    assert likely((Place(COLD),)) == pytest.approx(100_000 * 300 + 1500 * 8000, rel=0.01)


def test_index_pages_pay_when_rows_that_move_meet_them():
    met = replace(COLD, index_images=101, wal_bytes=60_000 + 101 * INDEX_IMAGE_BYTES)
    assert likely((Place(met),)) > likely((Place(COLD),)) + 1500 * INDEX_IMAGE_BYTES


def test_images_that_the_measurement_has_paid_for_are_not_written_again():
    assert likely((Place(COLD),), images_paid=1500) < likely((Place(COLD),)) - 1400 * 8000


def test_with_several_checkpoints_no_page_stays_warm():
    many = likely((Place(WARM),), checkpoint_bytes=3.0 * MB)
    assert many == pytest.approx(100_000 * 300 + 1500 * PAGE_BYTES, rel=0.2)


def test_stripes_make_rows_that_stay_on_their_pages_cheap():
    striped = Place(WARM, FULL, Layout((7, 10, 9, 8, 7, 7, 6, 5, 5, 4, 2)))
    assert striped.hot_share > 0.8
    assert striped.row_wal_bytes < 160
    assert Place(WARM, FULL).row_wal_bytes == WARM.row_wal_bytes
    assert likely((striped,)) < likely((Place(WARM),)) * 0.6


def test_a_batch_that_was_hot_is_no_dearer_in_stripes():
    hot = replace(WARM, rows_hot=200, wal_bytes=16_000)
    assert Place(hot, FULL, Layout((35, 35))).row_wal_bytes <= hot.row_wal_bytes


def test_images_leave_out_a_pages_free_space():
    assert heap_image_bytes(None) == PAGE_BYTES
    assert heap_image_bytes(replace(FULL, rows=20)) < 2500
    assert heap_image_bytes(FULL) > 8000


def test_compression_makes_images_smaller_once_wal_limits_the_job():
    small = likely((Place(COLD),), image_ratio=0.25, compression="on")
    assert small == pytest.approx(100_000 * 300 + 1500 * 8000 * 0.25, rel=0.01)
    assert likely((Place(COLD),), image_ratio=0.25, compression="off") == likely((Place(COLD),))
    assert small < likely((Place(COLD),), image_ratio=0.25, compression="auto") < likely((Place(COLD),))


def test_the_ratio_of_images_is_measured_by_the_locks():
    locked = replace(COLD, locks_wal_bytes=12_000 + 6000, compression="zstd")
    assert image_ratio((Place(COLD),), locked) == pytest.approx(0.25)
    assert image_ratio((Place(COLD),), None) is None
    assert image_ratio((), locked) is None


def test_images_of_index_pages_shrink_less_and_by_their_own_measure():
    """On a small table they are most of the WAL: forecast by the heap's ratio it was 0.69 of the truth."""
    compressed = replace(COLD, index_images=9, wal_bytes=round(200 * COLD.row_wal_bytes + 9 * 0.52 * INDEX_IMAGE_BYTES))
    measured = index_image_ratio((Place(COLD),), compressed)
    assert measured == pytest.approx(0.52, abs=0.001)
    assert index_image_ratio((Place(COLD),), replace(compressed, index_images=0)) == COMPRESSED_INDEX_SHARE
    assert index_image_ratio((Place(COLD),), None) is None
    met = Place(replace(COLD, index_images=101, wal_bytes=60_000 + 101 * INDEX_IMAGE_BYTES))
    small = likely((met,), image_ratio=0.2, index_image_ratio=0.2, compression="on")
    assert small < likely((met,), image_ratio=0.2, index_image_ratio=measured, compression="on") < likely((met,))


def test_what_the_rows_may_be_is_in_the_interval_and_the_bound():
    told = forecast(inputs(rows=RowEstimate(100_000, 50_000, 200_000, 300_000)), (Place(COLD),))
    assert told is not None
    assert told.low_bytes < 0.6 * told.wal_bytes
    assert told.high_bytes > 200_000 * 300
    assert told.most_bytes > 300_000 * 300 + 3000 * 8000


@given(
    rows=st.integers(0, 10**10),
    due_pages=st.floats(0, 1e9),
    checkpoint_bytes=st.floats(1e6, 1e15),
    images=st.tuples(st.integers(0, 3), st.integers(0, 200)),
    ratio=st.none() | st.floats(0.02, 1),
    paid=st.integers(0, 10_000),
)
def test_a_forecast_is_ordered_and_at_most_means_it(
    rows: int,
    due_pages: float,
    checkpoint_bytes: float,
    images: tuple[int, int],
    ratio: float | None,
    paid: int,
):
    measured = replace(COLD, heap_images=images[0], index_images=images[1])
    given_ = inputs(
        rows=RowEstimate(rows, rows // 2, rows * 2, rows * 3),
        due_pages=due_pages,
        heap_pages=10**9,
        checkpoint_bytes=checkpoint_bytes,
        image_ratio=ratio,
        index_image_ratio=ratio,
        compression="auto",
        images_paid=paid,
    )
    told = forecast(given_, (Place(measured), Place(WARM)))
    assert told is not None
    assert 0 <= told.low_bytes <= told.wal_bytes <= told.high_bytes <= told.most_bytes
    assert told.most_bytes >= 3 * rows * measured.row_wal_bytes
