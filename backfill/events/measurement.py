"""A batch that `backfill plan` measured, and what its rows would cost in a run."""

from __future__ import annotations

from dataclasses import dataclass

from backfill.table.checkpoint import Layout
from backfill.table.stripe_plan import POINTER_BYTES, VISIT_WAL_BYTES, PageProfile, hot_share

PAGE_BYTES = 8192
HEADER_BYTES = 50
"""What an image's record has in addition to the page's content."""
INDEX_IMAGE_BYTES = 7400
"""An image of an index page without its hole, as it is built (fillfactor 90)."""
HOT_WAL_BYTES = 75
"""The record of an update that stays on its page, without what its row grows by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One batch whose rows were locked, updated as a job with one stripe does it, and rolled back.

    It updated `rows` on `pages` pages, between `first_page` and `last_page`. The locks paid for the heap's full-page
    images, so that `wal_bytes` of the UPDATE has those of indexes only; and what others wrote meanwhile if triggers
    fired after it.
    """

    first_page: int
    last_page: int
    pages: int
    rows: int
    rows_unconverged: int
    rows_hot: int
    wal_bytes: int
    locks_wal_bytes: int
    took_s: float
    heap_images: int = 0
    heap_image_bytes: float = PAGE_BYTES
    index_images: int = 0
    compression: str | None = None

    @property
    def row_wal_bytes(self) -> float:
        """What a row costs however long ago the last checkpoint was."""
        return max(0.0, self.wal_bytes - self.index_images * INDEX_IMAGE_BYTES) / max(1, self.rows)

    @property
    def images(self) -> int:
        """Full-page images of the table and its indexes."""
        return self.heap_images + self.index_images

    @property
    def hot_share(self) -> float:
        """Rows that stayed on their pages."""
        return self.rows_hot / max(1, self.rows)


@dataclass(frozen=True, slots=True)
class Place:
    """A position where a batch was measured, with its pages and the layout that a run would choose there."""

    measured: Measurement
    profile: PageProfile | None = None
    layout: Layout = Layout()

    @property
    def striped(self) -> bool:
        """Whether a run would take stripes here."""
        return self.profile is not None and len(self.layout.sizes) > 1

    @property
    def hot_share(self) -> float:
        """Rows that stay on their pages in a run."""
        if self.profile is None or not self.striped:
            return self.measured.hot_share
        return max(self.measured.hot_share, hot_share(self.profile, self.layout.sizes))

    @property
    def row_wal_bytes(self) -> float:
        """What a row costs in a run, its images aside."""
        plain, stayed = self.measured.row_wal_bytes, self.measured.hot_share
        if self.profile is None or not self.striped:
            return plain
        grown_bytes = max(0.0, self.profile.updated_bytes - self.profile.row_bytes)
        in_place = min(plain, HOT_WAL_BYTES + grown_bytes)
        moved = max(plain, (plain - stayed * in_place) / (1 - stayed)) if stayed < 1 else plain
        visits = len(self.layout.sizes) * VISIT_WAL_BYTES / max(1.0, self.profile.due)
        return min(plain, self.hot_share * in_place + (1 - self.hot_share) * moved + visits)


def heap_image_bytes(profile: PageProfile | None) -> float:
    """Return the size of a heap page's image: its free space is left out."""
    if profile is None:
        return PAGE_BYTES
    return min(PAGE_BYTES, profile.rows * (profile.row_bytes + POINTER_BYTES)) + HEADER_BYTES
