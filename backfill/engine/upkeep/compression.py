"""Whether a run's batches compress their full-page images: as the job file says, if the server lets us."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from backfill.events.batch import CompressionChanged
from backfill.events.event import Event
from backfill.jobfile.job import Job
from backfill.throttle.state import ThrottleState
from backfill.upkeep import compression
from backfill.upkeep.compression import CompressionState
from backfill.values.compression_support import ServerSupport

REVOKED = "the role may no longer set wal_compression"


class CompressionSwitch:
    """The memory of one run; each change is recorded."""

    def __init__(self, job: Job, record: Callable[[Event], None]) -> None:
        self._job = job.name
        self._mode = job.wal_compression
        self._record = record
        self._support = ServerSupport()
        self._memory = CompressionState(on=job.wal_compression == "on")
        self._recorded: CompressionChanged | None = None

    @property
    def method(self) -> str | None:
        """How the next batch compresses; None when it does not."""
        return self._support.method if self._memory.on and self._support.method else None

    def begin(self, support: ServerSupport) -> None:
        """Go on with what the server of a new session offers."""
        self._support = support
        if support.already:
            self._record_change(support.already, "the server's own setting")
        elif self._mode == "on":
            self._record_change(self.method, "as the job file says")

    def after_admission(self, throttle_state: ThrottleState, limited_by: str, *, paced: bool) -> ThrottleState:
        """Decide about the batches after the one that was admitted; return the memory with what a row will cost."""
        if self._mode != "auto" or self._support.already:
            return throttle_state
        before = self._memory.on
        wal_bound = compression.limited_by_wal(limited_by, paced=paced)
        self._memory, cost = compression.after_batch(self._memory, throttle_state.cost, wal_bound=wal_bound)
        if not self._support.method:
            if self._memory.on:
                self._record_change(None, self._support.why)
            return throttle_state
        if self._memory.on != before:
            self._record_change(
                self.method, "WAL limits the job" if self._memory.on else "WAL no longer limits the job"
            )
        return replace(throttle_state, cost=cost)

    def on_refused(self, throttle_state: ThrottleState) -> ThrottleState:
        """Go on without compression: the right to it was taken away."""
        self._memory, cost = compression.switched_off(self._memory, throttle_state.cost)
        self._support = ServerSupport(why=REVOKED)
        self._record_change(None, REVOKED)
        return replace(throttle_state, cost=cost)

    def _record_change(self, method: str | None, why: str) -> None:
        changed = CompressionChanged(self._job, method, why)
        if changed != self._recorded:
            self._recorded = changed
            self._record(changed)
