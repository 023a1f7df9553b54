"""Whether a run's batches compress their full-page images: as the job file says, where the server lets us."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from backfill.events.batch import CompressionChanged
from backfill.events.event import Event
from backfill.jobfile.job import Job
from backfill.throttle.compression_support import ServerSupport
from backfill.throttle.state import ThrottleState
from backfill.upkeep import compression
from backfill.upkeep.compression import CompressionState

REVOKED = "the role may not set wal_compression any more"


class CompressionSwitch:
    """The memory of one run; what changes is told."""

    def __init__(self, job: Job, record: Callable[[Event], None]) -> None:
        self._job = job.name
        self._mode = job.wal_compression
        self._record = record
        self._support = ServerSupport()
        self._memory = CompressionState(on=job.wal_compression == "on")
        self._told: CompressionChanged | None = None

    @property
    def method(self) -> str | None:
        """How the next batch compresses, None where it does not."""
        return self._support.method if self._memory.on and self._support.method else None

    def begin(self, support: ServerSupport) -> None:
        """Go on with what the server of a new session offers."""
        self._support = support
        if support.already:
            self._tell(support.already, "the server's own setting")
        elif self._mode == "on":
            self._tell(self.method, "as the job file says")

    def weigh(self, throttle_state: ThrottleState, limited_by: str, *, paced: bool) -> ThrottleState:
        """Decide about the batches behind the one that was admitted; return the pace with what a row will cost."""
        if self._mode != "auto" or self._support.already:
            return throttle_state
        before = self._memory.on
        pressed = compression.limited_by_wal(limited_by, paced=paced)
        self._memory, cost = compression.after_batch(self._memory, throttle_state.cost, wal_bound=pressed)
        if not self._support.method:
            if self._memory.on:
                self._tell(None, self._support.why)
            return throttle_state
        if self._memory.on != before:
            self._tell(self.method, "WAL limits us" if self._memory.on else "WAL limits us no more")
        return replace(throttle_state, cost=cost)

    def refuse(self, throttle_state: ThrottleState) -> ThrottleState:
        """Go on without, as the right to it was taken away."""
        self._memory, cost = compression.switched_off(self._memory, throttle_state.cost)
        self._support = ServerSupport(why=REVOKED)
        self._tell(None, REVOKED)
        return replace(throttle_state, cost=cost)

    def _tell(self, method: str | None, why: str) -> None:
        told = CompressionChanged(self._job, method, why)
        if told != self._told:
            self._told = told
            self._record(told)
