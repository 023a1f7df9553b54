"""What a run has come to, whichever way it ended: the one place that makes `Finished`."""

from __future__ import annotations

from dataclasses import dataclass, replace

from backfill.engine.admission import AdmissionControl
from backfill.engine.lane_group import LaneGroup
from backfill.engine.ports import Runtime
from backfill.events.job import Finished
from backfill.events.job_outcome import job_outcome
from backfill.jobfile.job import Job
from backfill.table.batch import Verification
from backfill.values.errors import BackfillError, Halted, LockHeld, Stopped


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run from `began_s` on. A shift tells what was done in it, however far it came."""

    job: Job
    control: AdmissionControl
    runtime: Runtime
    began_s: float

    def proven(self, group: LaneGroup, found: Verification) -> Finished:
        """Return how a run ended whose rows were all read again."""
        state, why = job_outcome(self.job, found)
        ended = self.left(group, state, why)
        return replace(
            ended,
            rows_unconverged=found.rows_left - found.rows_rejected,
            samples=found.samples or ended.samples,
            rows_rejected=found.rows_rejected,
            rejected=found.rejected,
        )

    def broken_off(self, group: LaneGroup, error: BackfillError) -> Finished:
        """Return how a run ended that an error ended."""
        state = "failed"
        if isinstance(error, Stopped | LockHeld):
            state = "stopped"
        elif isinstance(error, Halted):
            state = "halted"
        return self.left(group, state, str(error))

    def left(self, group: LaneGroup, state: str, why: str) -> Finished:
        """Return how a run ended in a state, with nothing said about rows that are left."""
        done = group.totals
        return Finished(
            job=self.job.name,
            state=state,
            why=why,
            rows_total=done.rows_total,
            rows_unconverged=done.rows_unconverged,
            passes=group.passes,
            wal_bytes=done.wal_bytes,
            worst_lag_s=self.control.worst_lag_s,
            elapsed_s=self.runtime.now_s() - self.began_s,
            samples=group.samples,
        )
