"""One job on one session: its lock, then each of its leaves until none is left that is to do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from backfill.engine.admission import AdmissionControl
from backfill.engine.lane_group import LaneGroup
from backfill.engine.leaf_run import LeafRun
from backfill.engine.ports import JobSession, Runtime
from backfill.engine.retry_loop import RetryLoop
from backfill.events.job import LockTaken, LockWaiting, PassRestarted, Started
from backfill.events.leaf import LeafDone, LeafRemoved, LeafStarted
from backfill.events.throttle import WaitStarted
from backfill.jobfile.job import Job
from backfill.table.batch import OpenedLeaf, Verification
from backfill.table.checkpoint import Checkpoint
from backfill.table.leaves import Leaf, LeafPlace, combined, leaf_places
from backfill.throttle.wait_reason import WaitKind, WaitReason
from backfill.values.errors import BackfillError, Halted, JobError, LockHeld, StatementRefused
from backfill.values.errors import LeafDropped as Gone

LOCK_POLL_S = 1.0
LEAF_SCANS_MAX = 50
"""Readings of the list of leaves in one run, each of which found another one that is to do."""


class JobRun:
    """One job on one session, from the lock to the last leaf's proof."""

    def __init__(self, job: Job, session: JobSession, around: Runtime, gate: AdmissionControl) -> None:
        self.job = job
        self.session = session
        self.around = around
        self.gate = gate
        self.shift = LaneGroup(around)
        self.opened = False
        self._attempts = RetryLoop(session, around, gate)
        self._wait = True
        self._started = False
        self._unconverged = 0
        self._rejected = self._rows_rejected_before = 0

    @property
    def scans(self) -> tuple[Checkpoint, ...]:
        """Where the lanes of the leaf at work are."""
        return self.shift.scans

    async def lock(self, *, wait: bool) -> None:
        """Take the job's lock, waiting for its holder's end and saying who that is."""
        self._wait = wait
        await self._lock(self.session.try_lock, None)

    async def run(self) -> Verification:
        """Fill all leaves; return the sum of their proofs: rows left cannot converge, or are set aside.

        Partitions come and go meanwhile: the list is read again until none in it is to do.
        """
        begun = await self.session.begin()
        self.opened = True
        self.gate.begin(begun.replicas_seen, begun.compression)
        self.shift.elsewhere, self.shift.proven = begun.done, begun.done.rows_total > 0
        self._rows_rejected_before = begun.rows_rejected
        for _ in range(LEAF_SCANS_MAX):
            leaves = await self._attempts.until_done(self.session.leaves)
            self._unconverged = sum(leaf.proof.rows_unconverged or 0 for leaf in leaves if leaf.proof)
            self._rejected = sum(leaf.proof.rows_rejected for leaf in leaves if leaf.proof)
            left = leaf_places(leaves)
            if not left:
                self._tell_start(LeafPlace(count=len(leaves)), None)
                return combined(leaf.proof for leaf in leaves if leaf.proof)
            for leaf, extent in left:
                await self._fill(leaf, extent)
        raise BackfillError(
            f"after {LEAF_SCANS_MAX} rounds there are leaves of '{self.job.table}' that are to do: partitions are made,"
            " detached or rewritten faster than they are filled; run again"
        )

    async def _fill(self, leaf: Leaf, extent: LeafPlace) -> None:
        """Fill one leaf; go on without it where it belongs to the table no more."""
        own = leaf.name == str(self.job.table)
        proof = None
        try:
            if not own:
                await self._lock(lambda: self.session.try_leaf(leaf.name), leaf.name)
            proof = await self._prove(leaf, extent)
            if not own:
                proof = proof.of_leaf(leaf.name)
        except Gone as error:
            self.around.record(LeafRemoved(self.job.name, leaf.name, str(error)))
        except StatementRefused as error:
            if own or await self._is_leaf(leaf.name):
                raise
            self.around.record(LeafRemoved(self.job.name, leaf.name, str(error)))
        await self.gate.vacuuming.rest(self.session, self.gate.job, "the leaf is done")
        await self._attempts.until_done(lambda: self.session.close_leaf(leaf.name, proof))
        if proof is None:
            return
        self._unconverged += proof.rows_unconverged or 0
        self._rejected += proof.rows_rejected
        if not own or extent.count > 1:
            done = LeafDone(self.job.name, leaf.name, extent.number, extent.count, self._unconverged, self._rejected)
            self.around.record(done)

    async def _prove(self, leaf: Leaf, extent: LeafPlace) -> Verification:
        opened = await self._attempts.until_done(lambda: self.session.open(leaf.name))
        self.gate.vacuuming.begin(self.gate.job)
        self.shift.turn_to(extent, opened.scans)
        self._tell_start(extent, opened)
        if leaf.name != str(self.job.table) or extent.count > 1:
            self._tell_leaf(leaf, extent, opened)
        if opened.rewritten:
            self.around.record(PassRestarted(self.job.name, opened.rewritten))
        sessions = await self.session.sessions(len(opened.scans))
        filling = LeafRun(self.session, self.shift, self.gate, self._attempts)
        return await filling.run(sessions, opened)

    async def _is_leaf(self, name: str) -> bool:
        """Whether it is one still; so it is said where that cannot be found out."""
        try:
            leaves = await self._attempts.until_done(self.session.leaves)
        except (JobError, Halted, StatementRefused):
            return True
        return any(leaf.name == name for leaf in leaves)

    async def _lock(self, take: Callable[[], Awaitable[str | None]], leaf: str | None) -> None:
        began_s, what = self.around.now_s(), f"leaf {leaf}" if leaf else f"job {self.job.name!r}"
        waited = False
        while (holder := await take()) is not None:
            if not self._wait:
                raise LockHeld(f"{what} is locked by {holder}; --no-wait was given")
            waited = True
            self.around.record(LockWaiting(self.job.name, holder, self.around.now_s() - began_s, leaf))
            self.around.record(
                WaitStarted(self.job.name, WaitReason(WaitKind.LOCK, f"lock held by {holder}"), LOCK_POLL_S)
            )
            await self.around.sleep(LOCK_POLL_S)
        if waited or leaf is None:
            self.around.record(LockTaken(self.job.name, self.around.now_s() - began_s, leaf))

    def _tell_start(self, extent: LeafPlace, opened: OpenedLeaf | None) -> None:
        if self._started:
            return
        self._started = True
        limits, alone = self.job.throttle, opened is not None and extent.count == 1
        started = Started(
            job=self.job.name,
            table=str(self.job.table),
            pages=opened.pages if opened and alone else extent.pages_total,
            rows_estimated=opened.rows_estimated if opened and alone else extent.rows_estimated,
            resumed=bool(opened and opened.resumed) or extent.number > 1,
            pass_number=self.scans[0].pass_number if opened else 1,
            progress_ratio=self.shift.progress_ratio,
            rows_total=self.shift.rows_total,
            max_lag_s=limits.max_lag_s,
            max_lag_bytes=limits.max_lag_bytes,
            max_wal_rate_bytes_s=limits.max_wal_rate_bytes_s,
            statement_timeout_s=self.job.statement_timeout_s,
            lanes=self.job.lanes,
            leaves=extent.count,
            rows_rejected=self._rows_rejected_before,
        )
        self.around.record(started)

    def _tell_leaf(self, leaf: Leaf, extent: LeafPlace, opened: OpenedLeaf) -> None:
        started = LeafStarted(
            job=self.job.name,
            leaf=leaf.name,
            number=extent.number,
            leaves=extent.count,
            pages=opened.pages,
            resumed=opened.resumed,
            pass_number=opened.scans[0].pass_number,
            progress_ratio=self.shift.progress_ratio,
            rows_unconverged=self._unconverged,
            rows_rejected=self._rejected,
        )
        self.around.record(started)
