"""The WAL of a whole job, from a few batches that were measured here and there in its table.

A batch is measured as one plain UPDATE. A run takes stripes if they pay: then most rows stay on their pages, and cost
what an update in place does. Each page that is touched pays for one full-page image between two checkpoints: of the
heap every page with a row to do, of the indexes those that the moved rows meet.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean, median

from backfill.events.measurement import INDEX_IMAGE_BYTES, PAGE_BYTES, Measurement, Place
from backfill.table.estimate.row_sample import RowEstimate
from backfill.table.stripe_plan import LEAF_FREE_SHARE

SPLIT_BYTES = 4100
"""What the split of an index page writes: half of the page."""
COMPRESSED_SHARE = 0.35
"""An image's size where the server compresses all of them, so that a plain one is never seen."""
COMPRESSED_INDEX_SHARE = 0.5
"""The same of an index page, if none was seen: keys and addresses that differ are most of what is on it."""
ROWS_BEFORE_COMPRESSION = 700
"""Rows that a run updates before it finds that WAL limits it, and compresses images: batches are small at first."""
MARGIN, BOUND_MARGIN = 0.25, 0.15
"""What the estimate of a row's cost may be off by: in the interval, and in the upper bound."""
OWN_WAL_BYTES = 2 << 20
"""The most that a job writes in addition to its batches: schema backfill, checkpoints, events."""
CHECKPOINT_AGAIN = 1.25
"""Images of a page in stripes, if checkpoints come in the middle of windows, each a quarter of the way to the next."""
ROUNDS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastInputs:
    """What a job's WAL depends on, apart from the measured places.

    `due_pages` have rows to do, `window_rows` of these are in the run's first window. After `checkpoint_bytes` of WAL
    the server begins a checkpoint. `image_ratio` is how large a compressed image of a heap page is, `index_image_ratio`
    one of an index page. `compression` is when images are compressed: "on", "off" or "auto", that is once WAL limits
    the job. `images_paid` were written by the measurement.
    """

    rows: RowEstimate
    due_pages: float
    window_rows: float
    table_rows: int
    heap_pages: int
    index_pages: int
    indexes: int
    checkpoint_bytes: float
    max_wal_rate_bytes_s: int
    image_ratio: float | None = None
    index_image_ratio: float | None = None
    compression: str = "off"
    images_paid: int = 0


@dataclass(frozen=True, slots=True)
class Forecast:
    """A whole job's WAL: the likely amount, an interval, an upper bound; and the first's time at `max_wal_rate`."""

    wal_bytes: int
    low_bytes: int
    high_bytes: int
    most_bytes: int
    at_max_wal_rate_s: float


def image_ratio(places: tuple[Place, ...], compressed: Measurement | None) -> float | None:
    """Return how large a compressed image is against a plain one; None if the server compresses none for us."""
    if compressed is None or not places:
        return None
    if not compressed.heap_images:  # the pages had their images
        return COMPRESSED_SHARE
    plain = [place.measured for place in places]
    locks = sum(
        measurement.locks_wal_bytes - measurement.heap_images * measurement.heap_image_bytes for measurement in plain
    )
    lock_bytes = max(0.0, locks / max(1, sum(measurement.rows for measurement in plain)))
    images_bytes = compressed.locks_wal_bytes - compressed.rows * lock_bytes
    return min(1.0, max(0.02, images_bytes / (compressed.heap_images * compressed.heap_image_bytes)))


def index_image_ratio(places: tuple[Place, ...], compressed: Measurement | None) -> float | None:
    """Return the same of an index page's image: what the batch wrote in addition to what its rows cost plainly."""
    if compressed is None or not places:
        return None
    if not compressed.index_images:
        return COMPRESSED_INDEX_SHARE
    row_bytes = fmean(place.measured.row_wal_bytes for place in places)
    images_bytes = compressed.wal_bytes - compressed.rows * row_bytes
    return min(1.0, max(0.02, images_bytes / (compressed.index_images * INDEX_IMAGE_BYTES)))


def forecast(inputs: ForecastInputs, places: tuple[Place, ...]) -> Forecast | None:
    """Return what the rows cost; None if nothing was measured."""
    if not places:
        return None
    rows = inputs.rows
    share = _compressed_share(inputs, places)
    likely = _wal_bytes(inputs, places, rows.rows, share, paid=inputs.images_paid)
    least = _wal_bytes(inputs, places, rows.low, 1.0, paid=inputs.images_paid) * (1 - MARGIN)
    high = _wal_bytes(inputs, places, rows.high, 0.0, paid=0) * (1 + MARGIN)
    low_bytes, high_bytes = round(min(least, likely)), round(max(high, likely))
    most_bytes = max(high_bytes, _most_bytes(inputs, places))
    wal_bytes = round(likely)
    return Forecast(wal_bytes, low_bytes, high_bytes, most_bytes, wal_bytes / inputs.max_wal_rate_bytes_s)


def _compressed_share(inputs: ForecastInputs, places: tuple[Place, ...]) -> float:
    """Return the share of images that a run compresses: a window pays for its images in its first stripe."""
    if inputs.image_ratio is None or inputs.compression == "off":
        return 0.0
    if inputs.compression == "on":
        return 1.0
    first = fmean(place.layout.sizes[0] / sum(place.layout.sizes) for place in places)
    window = max(1.0, min(inputs.window_rows, inputs.rows.rows))
    windows, rest = divmod(ROWS_BEFORE_COMPRESSION, window)
    plain = (windows + min(1.0, rest / (window * first))) * window / max(1, inputs.rows.rows)
    return 1 - min(1.0, plain)


def _wal_bytes(inputs: ForecastInputs, places: tuple[Place, ...], rows: int, compressed: float, *, paid: int) -> float:
    records_bytes = rows * fmean(place.row_wal_bytes for place in places) + _splits_bytes(inputs, places, rows)
    heap_bytes = fmean(place.measured.heap_image_bytes for place in places) * _share(inputs.image_ratio, compressed)
    index_bytes = INDEX_IMAGE_BYTES * _share(inputs.index_image_ratio, compressed)
    wal_bytes = records_bytes
    for _ in range(ROUNDS):
        cycles = max(1.0, wal_bytes / inputs.checkpoint_bytes)
        heap, index = _images(inputs, places, rows, cycles)
        left = max(0.0, 1 - paid / max(1.0, heap + index))
        wal_bytes = records_bytes + left * (heap * heap_bytes + index * index_bytes)
    return wal_bytes


def _share(ratio: float | None, compressed: float) -> float:
    """Return the mean size of an image, of 1, if this share of images is compressed."""
    return 1.0 if ratio is None else 1 - compressed * (1 - ratio)


def _splits_bytes(inputs: ForecastInputs, places: tuple[Place, ...], rows: int) -> float:
    """Return what the splits of index pages write, of which a small batch has none: each page that grows too full."""
    moved = rows * (1 - fmean(place.hot_share for place in places))
    grown = moved / max(1, inputs.table_rows)
    return SPLIT_BYTES * inputs.index_pages * min(1.0, max(0.0, grown - LEAF_FREE_SHARE))


def _images(inputs: ForecastInputs, places: tuple[Place, ...], rows: int, cycles: float) -> tuple[float, float]:
    """Return the images of heap and index pages, for a number of checkpoints.

    Of an index in the order of the table's pages the run meets as large a part as of the table; of one in another
    order each row that moves may meet any page.
    """
    measured = [place.measured for place in places]
    pages = sum(measurement.pages for measurement in measured)
    due_pages = min(float(inputs.heap_pages), inputs.due_pages * rows / max(1, inputs.rows.rows))
    cold = min(1.0, sum(measurement.heap_images for measurement in measured) / max(1, pages))
    heap = due_pages * (1 - (1 - cold) / cycles)  # behind the first checkpoint every page is without its image
    met, all_pages = median(measurement.index_images for measurement in measured), float(inputs.index_pages)
    if met == 0 or all_pages == 0:
        return heap, 0.0
    batch_rows, indexes = fmean(measurement.rows for measurement in measured), max(1, inputs.indexes)
    met = min(max(0.0, met - indexes), all_pages)  # one of each index is met by rows in its order, too
    moved = rows * (1 - fmean(place.hot_share for place in places))
    scattered, heap_pages = min(1.0, met / max(1.0, batch_rows)), max(1, inputs.heap_pages)
    at_random = all_pages * (1 - (1 - met / all_pages) ** (moved / max(1.0, batch_rows) / cycles)) * cycles
    spanned = sum(measurement.last_page - measurement.first_page + 1 for measurement in measured) / max(1, pages)
    in_order = min(rows * met / max(1.0, batch_rows), all_pages * min(1.0, spanned * due_pages / heap_pages))
    return heap, scattered * at_random + (1 - scattered) * in_order


def _most_bytes(inputs: ForecastInputs, places: tuple[Place, ...]) -> int:
    """Return the WAL if every row leaves its page and costs as in the dearest batch, and no image is compressed."""
    rows = inputs.rows.most
    row_bytes = max(max(place.measured.row_wal_bytes, place.row_wal_bytes) for place in places)
    records_bytes = rows * row_bytes + SPLIT_BYTES * inputs.index_pages
    wal_bytes = records_bytes
    for _ in range(ROUNDS):
        cycles = max(1.0, wal_bytes / inputs.checkpoint_bytes)
        heap = min(inputs.heap_pages, rows) * (1 if cycles == 1 else CHECKPOINT_AGAIN)
        index = min(inputs.index_pages * cycles, float(rows * max(1, inputs.indexes)))
        wal_bytes = min(
            records_bytes + (heap + index) * PAGE_BYTES,
            records_bytes + float(rows * (1 + inputs.indexes) * PAGE_BYTES),
        )
    return round(wal_bytes * (1 + BOUND_MARGIN)) + OWN_WAL_BYTES
