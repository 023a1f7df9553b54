"""What a batch did, which rows the server rejected, and how batches are laid out and compressed."""

from __future__ import annotations

from dataclasses import dataclass

from backfill.table.estimate.time_left import TimeLeft


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchDone:
    """A batch and its checkpoint are committed."""

    job: str
    pass_number: int
    stripe: int
    first_page: int
    last_page: int
    rows: int
    rows_unconverged: int
    rows_hot: int
    wal_bytes: int
    took_s: float
    rows_total: int
    progress_ratio: float
    time_left: TimeLeft | None
    blocked_sessions: int = 0
    stripes: int = 1
    lane: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRefused:
    """A batch was rolled back: the server rejected a row, or the row took too long. Its halves are tried alone.

    `rows` of the `rows_searched` among which the row is sought; all of them when the search begins.
    """

    job: str
    lane: int
    rows: int
    rows_searched: int
    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RowRejected:
    """The server rejected a row, and the job recorded it (`on_row_error: skip`); `rows_rejected` is the job's total."""

    job: str
    leaf: str
    key: str
    reason: str
    message: str
    rows_rejected: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RowRetried:
    """A rejected row was tried again: it is filled, gone, or rejected again for `message`."""

    job: str
    leaf: str
    key: str
    result: str
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayoutChanged:
    """A lane fills its next windows in another layout: shares of their stripes, their width, and why."""

    job: str
    lane: int
    sizes: tuple[int, ...]
    window_pages: int
    why: str


@dataclass(frozen=True, slots=True)
class CompressionChanged:
    """From now on, full-page images of our batches are compressed with `method`, or not compressed (None), and why."""

    job: str
    method: str | None
    why: str
