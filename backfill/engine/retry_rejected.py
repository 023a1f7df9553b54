"""`backfill retry-rejected`: the rows that a job has set aside, one after the other, and no others."""

from __future__ import annotations

from contextlib import suppress

from backfill.engine.admission import AdmissionControl
from backfill.engine.lane_group import LaneGroup
from backfill.engine.leaf_run import LeafRun
from backfill.engine.ports import RunSession, Runtime
from backfill.engine.retry_loop import RetryLoop
from backfill.engine.run_summary import RunSummary
from backfill.events.job import Finished
from backfill.jobfile.job import Job
from backfill.table.batch import Verification
from backfill.table.leaves import Leaf, LeafPlace, combined
from backfill.values.errors import BackfillError, DatabaseError, LockHeld


class RetryRejectedRun:
    """One job on one session: its lock, each row that it has set aside, and a proof of each leaf that had one."""

    def __init__(self, job: Job, session: RunSession, runtime: Runtime) -> None:
        self._job = job
        self._session = session
        self._around = runtime
        self._control = AdmissionControl(job, runtime)
        self._retry_loop = RetryLoop(session, runtime, self._control)
        self._group = LaneGroup(runtime)
        self._account = RunSummary(job, self._control, runtime, runtime.now_s())
        self._begun = False

    async def run(self) -> Finished:
        """Return how the job stands when every row was tried, or raise what ended it early; either is told."""
        try:
            finished = await self._run()
        except BackfillError as error:
            if self._begun:
                finished = self._account.broken_off(self._group, error)
                with suppress(DatabaseError):  # the error is the one to tell
                    await self._session.save_end(finished)
                self._around.record(finished)
            raise
        finally:
            await self._control.vacuum_supervisor.rest(self._session, self._job, "the run ends")
        await self._session.save_end(finished)
        self._around.record(finished)
        return finished

    async def _run(self) -> Finished:
        holder = await self._session.try_lock()
        if holder is not None:
            raise LockHeld(f"job {self._job.name!r} is locked by {holder}; its worker tries such rows by itself")
        begun = await self._session.begin(again=True)
        self._begun = True
        self._control.begin(begun.replicas_seen, begun.compression)
        self._group.elsewhere = begun.done
        leaves = await self._retry_loop.run(self._session.leaves)
        proofs = [await self._retry(leaf) for leaf in leaves]
        known = [proof for proof in proofs if proof is not None]
        if len(known) < len(leaves):
            why = "every row that was set aside was tried again, but the job is not done: go on with backfill run"
            return self._account.left(self._group, "stopped", why)
        return self._account.proven(self._group, combined(known))

    async def _retry(self, leaf: Leaf) -> Verification | None:
        """Try the rows of a leaf again; return its proof, None where it is not done."""
        session, own = self._session, leaf.name == str(self._job.table)
        if leaf.proof is not None and not leaf.proof.rows_rejected:
            return leaf.proof
        if not own and (holder := await session.try_leaf(leaf.name)) is not None:
            raise LockHeld(f"leaf {leaf.name} is locked by {holder}")
        opened = await self._retry_loop.run(lambda: session.open(leaf.name))
        self._group.turn_to(LeafPlace(), opened.checkpoints)
        filling = LeafRun(session, self._group, self._control, self._retry_loop)
        await filling.try_again()
        proof = None
        if all(checkpoint.pass_done for checkpoint in opened.checkpoints):
            proof = await filling.prove()
        if proof is not None and proof.rows_fillable:
            proof = None
        if proof is not None and not own:
            proof = proof.of_leaf(leaf.name)
        await self._retry_loop.run(lambda: session.close_leaf(leaf.name, proof))
        return proof
