"""What a terminal shows of a run: the last event of each kind, a short history, the latest notices.

A plain value, made by `reduce`; all history in it is bounded. Times are seconds of the reader's own clock.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from backfill.events.batch import BatchDone
from backfill.events.job import Finished, PassDone, Started, Stopping, Verified
from backfill.events.leaf import LeafStarted
from backfill.events.throttle import SignalsRead
from backfill.observe.notices import Notice
from backfill.observe.terminal.history import History
from backfill.throttle.wait_reason import WaitKind

PACE_S = 5.0
"""Rates and averages cover this time."""
SHARE_S = 10.0
"""Shares of time waited cover this time."""
SLOT_S = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeSlot:
    """The batches that ended within one slot of time."""

    index: int
    batches: int = 0
    rows: int = 0
    rows_hot: int = 0
    wal_bytes: int = 0
    took_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenWait:
    """One wait, from its first event to its announced end; open until a batch or another wait."""

    kind: WaitKind
    text: str
    start_s: float
    end_s: float
    open: bool = True


@dataclass(frozen=True, slots=True)
class NoteLine:
    """One notice, when it was last given (since the view began) and how often."""

    elapsed_s: float
    notice: Notice
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalState:
    """Everything that the terminal shows; `began_s` is when the view began."""

    began_s: float
    job: str = ""
    heard_s: float = -math.inf
    started: Started | None = None
    started_s: float = 0.0
    leaf: LeafStarted | None = None
    batch: BatchDone | None = None
    batch_s: float = 0.0
    signals: SignalsRead | None = None
    signals_s: float = -math.inf
    passed: PassDone | None = None
    verified: Verified | None = None
    stopping: Stopping | None = None
    finished: Finished | None = None
    finished_s: float = 0.0
    lag: History = field(default_factory=History)
    wal: History = field(default_factory=History)
    seen_s: Mapping[str, float] = field(default_factory=dict)
    wal_bytes: int = 0
    worst: Mapping[str, float] = field(default_factory=dict)
    slots: tuple[TimeSlot, ...] = ()
    waits: tuple[OpenWait, ...] = ()
    notes: tuple[NoteLine, ...] = ()

    @property
    def wait(self) -> OpenWait | None:
        """The wait that no batch has ended yet."""
        return self.waits[-1] if self.waits and self.waits[-1].open else None

    @property
    def rows_total(self) -> int:
        """Rows filled, over all runs of the job."""
        last = self.finished or self.batch or self.started
        return last.rows_total if last is not None else 0

    @property
    def progress_ratio(self) -> float:
        """Share of the pass that is done; 1 only when nothing is left."""
        if self.finished is not None and self.finished.state in {"done", "unconverged"}:
            return 1.0
        last = self.batch or self.leaf or self.started
        return min(last.progress_ratio, 1.0) if last is not None else 0.0

    @property
    def pass_number(self) -> int:
        """Number of the pass over the current leaf."""
        last = self.batch or self.leaf or self.started
        return last.pass_number if last is not None else 1
