"""How a run ended, whichever way: the one place that makes `Finished`."""

from __future__ import annotations

from dataclasses import dataclass, replace

from backfill.engine.lane_group import LaneGroup
from backfill.engine.ports import Runtime
from backfill.events.job import Finished
from backfill.events.job_outcome import job_outcome
from backfill.jobfile.job import Job
from backfill.table.batch import Verification
from backfill.values.errors import BackfillError, Cancelled, Halted, LockHeld, Stopped


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run from `began_s` on; its lanes have counted what was done in it, however far it came."""

    job: Job
    runtime: Runtime
    began_s: float

    def verified(self, group: LaneGroup, found: Verification, worst_lag_s: float) -> Finished:
        """Return how a run ended in which every leaf was verified."""
        state, why = job_outcome(self.job, found)
        ended = self.stopped(group, state, why, worst_lag_s)
        return replace(
            ended,
            rows_unconverged=found.rows_left - found.rows_rejected,
            samples=found.samples or ended.samples,
            rows_rejected=found.rows_rejected,
            rejected=found.rejected,
        )

    def failed(self, group: LaneGroup, error: BackfillError, worst_lag_s: float) -> Finished:
        """Return how a run ended that an error ended: Stopped, LockHeld and Cancelled are not failures."""
        state = "failed"
        if isinstance(error, Stopped | LockHeld):
            state = "stopped"
        elif isinstance(error, Cancelled):
            state = "cancelled"
        elif isinstance(error, Halted):
            state = "halted"
        return self.stopped(group, state, str(error), worst_lag_s)

    def stopped(self, group: LaneGroup, state: str, why: str, worst_lag_s: float) -> Finished:
        """Return how a run ended in a state; it says nothing about the rows that remain."""
        done = group.totals
        return Finished(
            job=self.job.name,
            state=state,
            why=why,
            rows_total=done.rows_total,
            rows_unconverged=done.rows_unconverged,
            passes=group.passes,
            wal_bytes=done.wal_bytes,
            worst_lag_s=worst_lag_s,
            elapsed_s=self.runtime.now_s() - self.began_s,
            samples=group.samples,
        )
