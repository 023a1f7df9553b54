"""`backfill retry-rejected`: the rows that a job has set aside, one after the other, and no others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import Protocol, TypeVar

from backfill.attempts import Attempts
from backfill.core.batch import Filled, Order, Rejected, Verification
from backfill.core.events import Finished, RowRetried
from backfill.core.job import Job
from backfill.core.leaf import Extent, Leaf, summed
from backfill.core.outcome import outcome
from backfill.core.retry import Remedy
from backfill.core.scan import Scan, Tid
from backfill.core.scout import Cut
from backfill.errors import BackfillError, DatabaseError, Halted, LockHeld, Refused
from backfill.filling import Filling
from backfill.gate import Gate
from backfill.ports import Stopped, Surroundings
from backfill.runner import JobSession
from backfill.shift import Shift

T = TypeVar("T")


class RetrySession(JobSession, Protocol):
    """A session that can also look after single rows that are set aside."""

    async def find_rejected(self, row: Rejected) -> Tid | None:
        """Return where a row of the leaf is now that was set aside; None where it is gone or matches no more."""

    async def forget_rejected(self, scan: Scan, row: Rejected) -> None:
        """Set a row of the leaf aside no more."""

    async def keep_rejected(self, scan: Scan, row: Rejected, error: Refused) -> None:
        """Keep a row that was refused again, with what was said this time."""


class RowFault(Exception):
    """A row is refused, or takes too long every time."""

    def __init__(self, error: Refused) -> None:
        super().__init__(str(error))
        self.error = error


class Retrying:
    """One job on one session: its lock, each row that it has set aside, and a proof of each leaf that had one."""

    def __init__(self, job: Job, session: RetrySession, around: Surroundings) -> None:
        self._job = job
        self._session = session
        self._around = around
        self._gate = Gate(job, around)
        self._attempts = Attempts(session, around, self._gate)
        self._shift = Shift(around)
        self._began_s = around.now_s()
        self._begun = False

    async def run(self) -> Finished:
        """Return how the job stands when every row was tried, or raise what ended it early; either is told."""
        try:
            finished = await self._run()
        except BackfillError as error:
            if self._begun:
                state = "halted" if isinstance(error, Halted) else "stopped" if isinstance(error, Stopped) else "failed"
                finished = self._finished(state, str(error))
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
            raise LockHeld(f"job {self._job.name!r} is locked by {holder}; its worker tries such rows in each pass")
        begun = await self._session.begin(again=True)
        self._begun = True
        self._gate.begin(begun.replicas_seen, begun.compression)
        self._shift.elsewhere = begun.done
        leaves = await self._attempts.until_done(self._session.leaves)
        proofs = [await self._retry(leaf) for leaf in leaves]
        known = [proof for proof in proofs if proof is not None]
        if len(known) < len(leaves):
            why = "every row that was set aside was tried again, but the job is not done: go on with backfill run"
            return self._finished("stopped", why)
        found = summed(known)
        return replace(
            self._finished(*outcome(self._job, found)),
            rows_unconverged=found.rows_left - found.rows_rejected,
            samples=found.samples,
            rows_rejected=found.rows_rejected,
            rejected=found.rejected,
        )

    def _finished(self, state: str, why: str) -> Finished:
        tally = self._shift.tally
        return Finished(
            job=self._job.name,
            state=state,
            why=why,
            rows_total=tally.rows_total,
            rows_unconverged=tally.rows_unconverged,
            passes=self._shift.passes,
            wal_bytes=tally.wal_bytes,
            worst_lag_s=self._gate.worst_lag_s,
            elapsed_s=self._around.now_s() - self._began_s,
        )

    async def _retry(self, leaf: Leaf) -> Verification | None:
        """Try the rows of a leaf again; return its proof, None where there is none yet."""
        session, own = self._session, leaf.name == str(self._job.table)
        if leaf.proof is not None and not leaf.proof.rows_rejected:
            return leaf.proof
        if not own and (holder := await session.try_leaf(leaf.name)) is not None:
            raise LockHeld(f"leaf {leaf.name} is locked by {holder}")
        opened = await self._attempts.until_done(lambda: session.open(leaf.name))
        self._shift.turn_to(Extent(), opened.scans)
        scan = opened.scans[0]
        for row in await session.read_rejected():
            scan = await self._try(leaf, scan, row)
        self._shift.place(scan)
        proof = None
        if all(one.pass_done for one in opened.scans):
            proof = await Filling(session, self._shift, self._gate, self._attempts).prove()
        if proof is not None and proof.rows_fillable:
            proof = None
        if proof is not None and not own:
            proof = proof.of_leaf(leaf.name)
        await session.close_leaf(leaf.name, proof)
        return proof

    async def _try(self, leaf: Leaf, scan: Scan, row: Rejected) -> Scan:
        """Try one row again; return the place, which stays, with its fence."""
        session, result, message = self._session, "gone", ""
        try:
            tid = await self._bounded(lambda: session.find_rejected(row))
            if tid is None:
                await session.forget_rejected(scan, row)
            else:
                filled = await self._bounded(lambda: self._fill(scan, row, tid))
                scan, result = filled.scan, "filled" if filled.rows else "gone"
        except RowFault as fault:
            result, message, error = "refused", str(fault.error), fault.error
            kept = replace(row, pass_number=scan.pass_number, message=message)
            await self._attempts.until_done(lambda: session.keep_rejected(scan, kept, error))
        self._around.record(RowRetried(self._job.name, leaf.name, row.key, result, message))
        await self._around.sleep(0)
        return scan

    async def _bounded(self, step: Callable[[], Awaitable[T]]) -> T:
        """Take a step on one row, again where that may help; raises RowFault where the row is refused."""
        timeouts = 0

        async def once() -> T:
            nonlocal timeouts
            try:
                return await step()
            except Refused as error:
                wanted = self._attempts.remedy(error)
                timeouts += wanted is Remedy.SPLIT
                if wanted is Remedy.ROW or self._attempts.remedy(error, timeouts + 1) is Remedy.ROW:
                    raise RowFault(error) from None
                raise

        return await self._attempts.until_done(once)

    async def _fill(self, scan: Scan, row: Rejected, tid: Tid) -> Filled:
        admission = await self._gate.admit(self._session, scan)
        order = Order(scan, Cut(Tid(tid.page, tid.offset + 1), 1, tids=(tid,)), admission, again=row)
        try:
            filled = await self._session.run_batch(order, lambda position: self._gate.charge(scan.lane, position))
        finally:
            self._gate.release(scan.lane)
        assert isinstance(filled, Filled), "one row is never too many"
        self._gate.learn(filled, scan.stripe)
        self._attempts.failures = 0
        return filled
