"""A decision of the throttle, and what it was taken from: enough to follow the law by hand afterwards."""

from __future__ import annotations

from dataclasses import dataclass

from backfill.throttle.wait_reason import WaitReason


@dataclass(frozen=True, slots=True)
class Run:
    """A batch may start, of at most `rows` rows; `limited_by` is what kept it from being larger.

    With `flush` its commit is flushed at once: its WAL would wait for the walwriter, and what waits fills the window.
    """

    rows: int
    limited_by: str = ""
    flush: bool = False


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing may start; read again after `delay_s`."""

    delay_s: float
    reason: WaitReason


Decision = Run | Wait


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What a decision saw, of the tightest counted replica; None where there is none, or it is not known yet.

    `compression` is the method by which the batch compresses its full-page images, None where it does not.
    """

    replica: str | None
    lag_s: float | None
    on_the_way_bytes: int | None
    window_bytes: float | None
    rate_bytes_s: float | None
    row_wal_bytes: float
    wal_rate_bytes_s: float | None
    own_wal_rate_bytes_s: float
    compression: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """A batch that may go: of at most so many rows, what kept it from being larger, and what it waited for before.

    With `flush` its commit is flushed at once, although commits of ours are asynchronous otherwise. `compression` is
    the method by which its full-page images are to be compressed.
    """

    rows: int
    limited_by: str
    inputs: Inputs
    flush: bool = False
    waited_s: float = 0.0
    waited_for: str | None = None
    compression: str | None = None
