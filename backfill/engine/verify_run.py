"""`backfill verify`: the proof of a job, read now; nothing is filled.

A leaf that holds keeps its new proof; one that has rows to fill loses the old one, so that nobody relies on it.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import partial

from backfill.engine.admission.control import AdmissionControl
from backfill.engine.job_run import take_lock
from backfill.engine.lane_group import LaneGroup
from backfill.engine.leaf_run import LeafRun
from backfill.engine.ports import JobSession, Runtime
from backfill.engine.retry_loop import RetryLoop
from backfill.engine.run_summary import RunSummary
from backfill.engine.upkeep.maintenance import Maintenance
from backfill.events.job import Finished
from backfill.jobfile.job import Job
from backfill.table.batch import Verification
from backfill.table.leaves import JobStart, Leaf, LeafPlace, combined
from backfill.values.errors import BackfillError, DatabaseError, LeafDropped, NeverStarted


class VerifyRun:
    """One job on one session: its lock, then the proof of each of its leaves."""

    def __init__(self, job: Job, session: JobSession, runtime: Runtime, *, wait_for_lock: bool) -> None:
        self._job = job
        self._session = session
        self._runtime = runtime
        self._maintenance = Maintenance(job, runtime)
        self._control = AdmissionControl(job, runtime, self._maintenance)
        self._retry_loop = RetryLoop(session, runtime, self._control.limits, self._control.save_wait)
        self._group = LaneGroup(runtime)
        self._summary = RunSummary(job, runtime, runtime.now_s())
        self._wait = wait_for_lock
        self._start: JobStart | None = None

    async def run(self) -> Finished:
        """Return how the job stands, or raise what kept it from being read; either is recorded."""
        try:
            finished = await self._run()
        except BackfillError as error:
            if self._start is not None:
                finished = self._summary.failed(self._group, error, 0.0)
                with suppress(DatabaseError):  # the run's own error is the one to report
                    await self._end(self._start, finished)
                self._runtime.record(finished)
            raise
        self._runtime.record(finished)
        return finished

    async def _run(self) -> Finished:
        await take_lock(self._job.name, self._runtime, self._session.try_lock, None, wait=self._wait)
        start = self._start = await self._begin()
        self._control.begin(start.replicas_seen)
        self._group.elsewhere = start.done
        proofs = []
        for leaf in await self._retry_loop.run(self._session.leaves):
            with suppress(LeafDropped):  # it has no rows of the table any longer
                proofs.append(await self._verify(leaf))
        found = combined(proofs)
        finished = self._summary.verified(self._group, found, 0.0)
        if found.rows_fillable > 0:
            examples = ", ".join(found.samples)
            why = f"{found.rows_left:,} rows match 'where', for example {examples}; fill them: backfill run JOB.yaml"
            finished = replace(self._summary.stopped(self._group, "stopped", why, 0.0), samples=found.samples)
        await self._end(start, finished)
        return finished

    async def _begin(self) -> JobStart:
        """Begin the job without taking back what is proven; one that nobody has run is begun as new."""
        try:
            return await self._session.begin(again=True)
        except NeverStarted:
            return await self._session.begin()

    async def _end(self, start: JobStart, finished: Finished) -> None:
        """Save how the job stands; of one that nobody has run and that is not done, leave nothing."""
        if start.is_new and finished.state != "done":
            await self._session.withdraw(start)
        else:
            await self._session.save_end(finished)

    async def _verify(self, leaf: Leaf) -> Verification:
        session, own = self._session, leaf.name == str(self._job.table)
        if not own:
            take = partial(session.try_leaf, leaf.name)
            await take_lock(self._job.name, self._runtime, take, leaf.name, wait=self._wait)
        async with self._retry_loop.entered(lambda: session.open_leaf(leaf.name)) as leaf_session:
            self._group.start_leaf(LeafPlace(), leaf_session.opened.checkpoints)
            leaf_run = LeafRun(leaf_session, self._group, self._control, self._maintenance, self._retry_loop)
            proof = await leaf_run.verify()
            proof = proof if own else proof.of_leaf(leaf.name)
            if proof.rows_fillable == 0:  # opening the leaf has taken the old proof back
                await self._retry_loop.run(partial(leaf_session.save_proof, proof))
        if not own:
            await self._retry_loop.run(lambda: session.release_leaf(leaf.name))
        return proof
