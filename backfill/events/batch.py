"""What a batch did, which rows the server rejected, and how batches are laid out and compressed."""

from __future__ import annotations

from dataclasses import dataclass


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
    eta_s: float | None
    blocked_sessions: int = 0
    stripes: int = 1
    lane: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRefused:
    """A batch was rolled back, as one of its rows is refused or takes too long; halves of it are tried by themselves.

    `rows` of the `rows_searched` in which the row is looked for: all of them when the search begins.
    """

    job: str
    lane: int
    rows: int
    rows_searched: int
    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RowRejected:
    """The job set a row aside that the server refuses (`on_row_error: skip`); so many are, of the whole job."""

    job: str
    leaf: str
    key: str
    reason: str
    message: str
    rows_rejected: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RowRetried:
    """A row that was set aside was tried again: it is filled, gone, or refused again for `message`."""

    job: str
    leaf: str
    key: str
    result: str
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayoutChanged:
    """A lane goes through its next windows in another way: shares of their stripes, their width, and why."""

    job: str
    lane: int
    sizes: tuple[int, ...]
    window_pages: int
    why: str


@dataclass(frozen=True, slots=True)
class CompressionChanged:
    """Full-page images of our batches are compressed by a method from now on, or not compressed (None), and why."""

    job: str
    method: str | None
    why: str
