"""A decision of the throttle and its inputs: enough to check it by hand afterwards."""

from __future__ import annotations

from dataclasses import dataclass

from backfill.throttle.wait_reason import WaitReason


@dataclass(frozen=True, slots=True)
class Run:
    """A batch may start, of at most `rows` rows; `limited_by` is what keeps it from being larger.

    With `flush`, its commit is flushed at once instead of waiting for the walwriter, if it would fill the window.
    """

    rows: int
    limited_by: str = ""
    flush: bool = False


@dataclass(frozen=True, slots=True)
class Wait:
    """No batch may start; read again after `delay_s`."""

    delay_s: float
    reason: WaitReason


Decision = Run | Wait


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What a decision was based on, of the tightest counted replica; None if there is none, or if it is not known yet.

    `compression` is the method for the batch's full-page images, None without compression.
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
    """A batch that may start: its most rows, what keeps it from being larger, and what it waited for.

    With `flush`, its commit is flushed at once, although our commits are asynchronous otherwise. `compression` is the
    method for its full-page images.
    """

    rows: int
    limited_by: str
    inputs: Inputs
    flush: bool = False
    waited_s: float = 0.0
    waited_for: str | None = None
    compression: str | None = None
