"""One job on one session: its lock, then each of its leaves until every one is done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from backfill.engine.admission.control import AdmissionControl
from backfill.engine.lane_group import LaneGroup
from backfill.engine.leaf_run import LeafRun
from backfill.engine.ports import JobSession, LeafSession, Runtime
from backfill.engine.retry_loop import RetryLoop
from backfill.engine.upkeep.maintenance import Maintenance
from backfill.events.job import LockTaken, LockWaiting, PassRestarted, Started
from backfill.events.leaf import LeafDone, LeafRemoved, LeafStarted
from backfill.events.throttle import WaitStarted
from backfill.jobfile.job import Job
from backfill.table.batch import OpenedLeaf, Verification
from backfill.table.checkpoint import Checkpoint
from backfill.table.leaves import JobStart, Leaf, LeafPlace, combined, leaf_places
from backfill.throttle.wait_reason import WaitKind, WaitReason
from backfill.values.errors import BackfillError, Halted, JobError, LeafDropped, LockHeld, StatementRefused

LOCK_POLL_S = 1.0
LEAF_SCANS_MAX = 50
"""Readings of the list of leaves in one run, each of which found another leaf to fill."""


async def take_lock(
    job: str, runtime: Runtime, take: Callable[[], Awaitable[str | None]], leaf: str | None, *, wait: bool
) -> None:
    """Take the lock of a job or a leaf; report who holds it until it is ours, or raise LockHeld if we do not wait."""
    began_s, what = runtime.now_s(), f"leaf {leaf}" if leaf else f"job {job!r}"
    waited = False
    while (holder := await take()) is not None:
        if not wait:
            raise LockHeld(f"{what} is locked by {holder}; run without --no-wait to wait for it")
        waited = True
        runtime.record(LockWaiting(job=job, holder=holder, waited_s=runtime.now_s() - began_s, leaf=leaf))
        runtime.record(WaitStarted(job, WaitReason(WaitKind.LOCK, f"lock held by {holder}"), LOCK_POLL_S))
        await runtime.sleep(LOCK_POLL_S)
    if waited or leaf is None:
        runtime.record(LockTaken(job, runtime.now_s() - began_s, leaf))


class JobRun:
    """One job on one session, from the lock to the last leaf's proof."""

    def __init__(
        self,
        job: Job,
        session: JobSession,
        runtime: Runtime,
        control: AdmissionControl,
        maintenance: Maintenance,
    ) -> None:
        self.job = job
        self.session = session
        self.runtime = runtime
        self.control = control
        self.group = LaneGroup(runtime)
        self.start: JobStart | None = None
        self._maintenance = maintenance
        self._retry_loop = RetryLoop(session, runtime, control.limits, control.save_wait)
        self._wait = True
        self._started = False
        self._unconverged = 0
        self._rejected = self._rows_rejected_before = 0

    @property
    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """Where the lanes of the leaf at work are."""
        return self.group.checkpoints

    async def lock(self, *, wait: bool) -> None:
        """Take the job's lock; wait until its holder ends, and report who that is."""
        self._wait = wait
        await self._lock(self.session.try_lock, None)

    async def run(self) -> Verification:
        """Fill all leaves; return the sum of their proofs: the rows that remain cannot converge, or are rejected.

        Partitions come and go meanwhile: the list is read again until every leaf in it is done.
        """
        start = await self.session.begin()
        self.start = start
        self.control.begin(start.replicas_seen)
        self._maintenance.begin(self.control.job, start.compression)
        self.group.elsewhere, self.group.proven = start.done, start.done.rows_total > 0
        self._rows_rejected_before = start.rows_rejected
        await self.control.hold(self.session)
        for _ in range(LEAF_SCANS_MAX):
            await self._install_sync_trigger()
            leaves = await self._retry_loop.run(self.session.leaves)
            self._unconverged = sum(leaf.proof.rows_unconverged or 0 for leaf in leaves if leaf.proof)
            self._rejected = sum(leaf.proof.rows_rejected for leaf in leaves if leaf.proof)
            left = leaf_places(leaves)
            if not left:
                self._record_start(LeafPlace(count=len(leaves)), None)
                return combined(leaf.proof for leaf in leaves if leaf.proof)
            for leaf, leaf_place in left:
                await self._fill(leaf, leaf_place)
        raise BackfillError(
            f"gave up after {LEAF_SCANS_MAX} scans of the partition list: partitions of '{self.job.table}' are created,"
            " detached or rewritten faster than they can be filled; run again"
        )

    async def _install_sync_trigger(self) -> None:
        """Before the first batch, and on children that have come since, rows that others write begin to be filled."""
        if self.job.sync == "trigger":
            record, sleep = self.runtime.record, self._sleep_for_lock
            await self._retry_loop.run(lambda: self.session.install_sync_trigger(record, sleep))

    async def _sleep_for_lock(self, delay_s: float) -> None:
        """Wait for a lock of the table; a person may pause or cancel the job meanwhile."""
        await self.runtime.sleep(delay_s)
        await self.control.hold(self.session)

    async def _try_leaf(self, leaf: str) -> str | None:
        await self.control.hold(self.session)
        return await self.session.try_leaf(leaf)

    async def _fill(self, leaf: Leaf, leaf_place: LeafPlace) -> None:
        """Fill one leaf; go on without it if it no longer belongs to the table."""
        own = leaf.name == str(self.job.table)
        proof = None
        try:
            if not own:
                await self._lock(lambda: self._try_leaf(leaf.name), leaf.name)
            async with self._retry_loop.entered(lambda: self.session.open_leaf(leaf.name)) as leaf_session:
                proof = await self._run_leaf(leaf_session, leaf, leaf_place)
        except LeafDropped as error:
            self.runtime.record(LeafRemoved(self.job.name, leaf.name, str(error)))
        except StatementRefused as error:
            if own or await self._is_leaf(leaf.name):
                raise
            self.runtime.record(LeafRemoved(self.job.name, leaf.name, str(error)))
        await self._maintenance.stop(self.session, self.control.job, "the leaf is done")
        if not own:
            await self._retry_loop.run(lambda: self.session.release_leaf(leaf.name))
        if proof is None:
            return
        self._unconverged += proof.rows_unconverged or 0
        self._rejected += proof.rows_rejected
        if not own or leaf_place.count > 1:
            done = LeafDone(
                job=self.job.name,
                leaf=leaf.name,
                number=leaf_place.number,
                leaves=leaf_place.count,
                rows_unconverged=self._unconverged,
                rows_rejected=self._rejected,
            )
            self.runtime.record(done)

    async def _run_leaf(self, session: LeafSession, leaf: Leaf, leaf_place: LeafPlace) -> Verification:
        """Fill a leaf that is open; return its proof, which is kept."""
        own, opened = leaf.name == str(self.job.table), session.opened
        self._maintenance.begin_leaf(self.control.job)
        self.group.start_leaf(leaf_place, opened.checkpoints)
        self._record_start(leaf_place, opened)
        if not own or leaf_place.count > 1:
            self._record_leaf(leaf, leaf_place, opened)
        if opened.rewritten:
            self.runtime.record(PassRestarted(self.job.name, opened.rewritten))
        leaf_run = LeafRun(session, self.group, self.control, self._maintenance, self._retry_loop)
        proof = await leaf_run.run()
        proof = proof if own else proof.of_leaf(leaf.name)
        await self._retry_loop.run(lambda: session.save_proof(proof))
        return proof

    async def _is_leaf(self, name: str) -> bool:
        """Whether the table is still a leaf; True if that cannot be determined."""
        try:
            leaves = await self._retry_loop.run(self.session.leaves)
        except (JobError, Halted, StatementRefused):
            return True
        return any(leaf.name == name for leaf in leaves)

    async def _lock(self, take: Callable[[], Awaitable[str | None]], leaf: str | None) -> None:
        await take_lock(self.job.name, self.runtime, take, leaf, wait=self._wait)

    def _record_start(self, leaf_place: LeafPlace, opened: OpenedLeaf | None) -> None:
        if self._started:
            return
        self._started = True
        limits, alone = self.job.throttle, opened is not None and leaf_place.count == 1
        started = Started(
            job=self.job.name,
            table=str(self.job.table),
            pages=opened.pages if opened and alone else leaf_place.pages_total,
            rows_estimated=opened.rows_estimated if opened and alone else leaf_place.rows_estimated,
            resumed=bool(opened and opened.resumed) or leaf_place.number > 1,
            pass_number=self.checkpoints[0].pass_number if opened else 1,
            progress_ratio=self.group.progress_ratio,
            rows_total=self.group.rows_total,
            max_lag_s=limits.max_lag_s,
            max_lag_bytes=limits.max_lag_bytes,
            max_wal_rate_bytes_s=limits.max_wal_rate_bytes_s,
            statement_timeout_s=self.job.statement_timeout_s,
            lanes=self.job.lanes,
            leaves=leaf_place.count,
            rows_rejected=self._rows_rejected_before,
        )
        self.runtime.record(started)

    def _record_leaf(self, leaf: Leaf, leaf_place: LeafPlace, opened: OpenedLeaf) -> None:
        started = LeafStarted(
            job=self.job.name,
            leaf=leaf.name,
            number=leaf_place.number,
            leaves=leaf_place.count,
            pages=opened.pages,
            resumed=opened.resumed,
            pass_number=opened.checkpoints[0].pass_number,
            progress_ratio=self.group.progress_ratio,
            rows_unconverged=self._unconverged,
            rows_rejected=self._rejected,
        )
        self.runtime.record(started)
