"""`backfill retry-rejected`: the rejected rows of a job, one after the other, and no others."""

from __future__ import annotations

from contextlib import suppress

from backfill.engine.admission.control import AdmissionControl
from backfill.engine.lane_group import LaneGroup
from backfill.engine.leaf_run import LeafRun
from backfill.engine.ports import JobSession, LeafSession, Runtime
from backfill.engine.retry_loop import RetryLoop
from backfill.engine.run_summary import RunSummary
from backfill.engine.upkeep.maintenance import Maintenance
from backfill.events.job import Finished
from backfill.jobfile.job import Job
from backfill.table.batch import Verification
from backfill.table.leaves import Leaf, LeafPlace, combined
from backfill.values.errors import BackfillError, DatabaseError, LockHeld


class RetryRejectedRun:
    """One job on one session: its lock, each of its rejected rows, and a proof of each leaf that had one."""

    def __init__(self, job: Job, session: JobSession, runtime: Runtime) -> None:
        self._job = job
        self._session = session
        self._runtime = runtime
        self._maintenance = Maintenance(job, runtime)
        self._control = AdmissionControl(job, runtime, self._maintenance)
        self._retry_loop = RetryLoop(session, runtime, self._control.limits, self._control.save_wait)
        self._group = LaneGroup(runtime)
        self._summary = RunSummary(job, runtime, runtime.now_s())
        self._begun = False

    async def run(self) -> Finished:
        """Return how the job stands when every row was retried, or raise what ended it early; either is recorded."""
        try:
            finished = await self._run()
        except BackfillError as error:
            if self._begun:
                finished = self._summary.failed(self._group, error, self._worst_lag_s)
                with suppress(DatabaseError):  # the run's own error is the one to report
                    await self._session.save_end(finished)
                self._runtime.record(finished)
            raise
        finally:
            await self._maintenance.stop(self._session, self._job, "the run ends")
        await self._session.save_end(finished)
        self._runtime.record(finished)
        return finished

    async def _run(self) -> Finished:
        holder = await self._session.try_lock()
        if holder is not None:
            raise LockHeld(f"job {self._job.name!r} is locked by {holder}; its worker retries rejected rows by itself")
        begun = await self._session.begin(again=True)
        self._begun = True
        self._control.begin(begun.replicas_seen)
        self._maintenance.begin(self._control.job, begun.compression)
        self._group.elsewhere = begun.done
        leaves = await self._retry_loop.run(self._session.leaves)
        proofs = [await self._retry(leaf) for leaf in leaves]
        known = [proof for proof in proofs if proof is not None]
        if len(known) < len(leaves):
            why = "every rejected row was retried, but the job is not done: continue it with backfill run"
            return self._summary.stopped(self._group, "stopped", why, self._worst_lag_s)
        return self._summary.verified(self._group, combined(known), self._worst_lag_s)

    async def _retry(self, leaf: Leaf) -> Verification | None:
        """Retry the rejected rows of a leaf; return its proof, None if it is not done."""
        session, own = self._session, leaf.name == str(self._job.table)
        if leaf.proof is not None and not leaf.proof.rows_rejected:
            return leaf.proof
        if not own and (holder := await session.try_leaf(leaf.name)) is not None:
            raise LockHeld(f"leaf {leaf.name} is locked by {holder}")
        async with self._retry_loop.entered(lambda: session.open_leaf(leaf.name)) as leaf_session:
            proof = await self._retry_open(leaf_session)
            if proof is not None:
                verified = proof = proof if own else proof.of_leaf(leaf.name)
                await self._retry_loop.run(lambda: leaf_session.save_proof(verified))
        if not own:
            await self._retry_loop.run(lambda: session.release_leaf(leaf.name))
        return proof

    async def _retry_open(self, session: LeafSession) -> Verification | None:
        checkpoints = session.opened.checkpoints
        self._group.start_leaf(LeafPlace(), checkpoints)
        leaf_run = LeafRun(session, self._group, self._control, self._maintenance, self._retry_loop)
        [lane] = await self._retry_loop.run(lambda: session.lanes(1))
        await leaf_run.retry_rejected(lane)
        if not all(checkpoint.pass_done for checkpoint in checkpoints):
            return None
        proof = await leaf_run.verify()
        return None if proof.rows_fillable else proof

    @property
    def _worst_lag_s(self) -> float:
        return self._control.readings.worst_lag_s
