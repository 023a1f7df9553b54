"""`backfill retry-rejected`: the rows that a job has set aside, one after the other, and no others."""

from __future__ import annotations

from contextlib import suppress

from backfill.account import Account
from backfill.attempts import Attempts
from backfill.core.batch import Verification
from backfill.core.events import Finished
from backfill.core.job import Job
from backfill.core.leaf import Extent, Leaf, summed
from backfill.errors import BackfillError, DatabaseError, LockHeld
from backfill.filling import Filling
from backfill.gate import Gate
from backfill.ports import Surroundings
from backfill.runner import JobSession
from backfill.shift import Shift


class Retrying:
    """One job on one session: its lock, each row that it has set aside, and a proof of each leaf that had one."""

    def __init__(self, job: Job, session: JobSession, around: Surroundings) -> None:
        self._job = job
        self._session = session
        self._around = around
        self._gate = Gate(job, around)
        self._attempts = Attempts(session, around, self._gate)
        self._shift = Shift(around)
        self._account = Account(job, self._gate, around, around.now_s())
        self._begun = False

    async def run(self) -> Finished:
        """Return how the job stands when every row was tried, or raise what ended it early; either is told."""
        try:
            finished = await self._run()
        except BackfillError as error:
            if self._begun:
                finished = self._account.broken_off(self._shift, error)
                with suppress(DatabaseError):  # the error is the one to tell
                    await self._session.save_end(finished)
                self._around.record(finished)
            raise
        finally:
            await self._gate.vacuuming.rest(self._session, self._job, "the run ends")
        await self._session.save_end(finished)
        self._around.record(finished)
        return finished

    async def _run(self) -> Finished:
        holder = await self._session.try_lock()
        if holder is not None:
            raise LockHeld(f"job {self._job.name!r} is locked by {holder}; its worker tries such rows by itself")
        begun = await self._session.begin(again=True)
        self._begun = True
        self._gate.begin(begun.replicas_seen, begun.compression)
        self._shift.elsewhere = begun.done
        leaves = await self._attempts.until_done(self._session.leaves)
        proofs = [await self._retry(leaf) for leaf in leaves]
        known = [proof for proof in proofs if proof is not None]
        if len(known) < len(leaves):
            why = "every row that was set aside was tried again, but the job is not done: go on with backfill run"
            return self._account.left(self._shift, "stopped", why)
        return self._account.proven(self._shift, summed(known))

    async def _retry(self, leaf: Leaf) -> Verification | None:
        """Try the rows of a leaf again; return its proof, None where it is not done."""
        session, own = self._session, leaf.name == str(self._job.table)
        if leaf.proof is not None and not leaf.proof.rows_rejected:
            return leaf.proof
        if not own and (holder := await session.try_leaf(leaf.name)) is not None:
            raise LockHeld(f"leaf {leaf.name} is locked by {holder}")
        opened = await self._attempts.until_done(lambda: session.open(leaf.name))
        self._shift.turn_to(Extent(), opened.scans)
        filling = Filling(session, self._shift, self._gate, self._attempts)
        await filling.try_again()
        proof = None
        if all(scan.pass_done for scan in opened.scans):
            proof = await filling.prove()
        if proof is not None and proof.rows_fillable:
            proof = None
        if proof is not None and not own:
            proof = proof.of_leaf(leaf.name)
        await self._attempts.until_done(lambda: session.close_leaf(leaf.name, proof))
        return proof
