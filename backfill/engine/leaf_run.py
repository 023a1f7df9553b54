"""One leaf: a pass of all lanes and the read that verifies it, until nothing is left that can be filled."""

from __future__ import annotations

from contextlib import suppress

from backfill.engine.admission.control import AdmissionControl
from backfill.engine.lane import Lane
from backfill.engine.lane_group import LaneGroup
from backfill.engine.ports import LaneSession, LeafSession
from backfill.engine.rejected_rows import RejectedRowRetrier
from backfill.engine.retry_loop import RetryLoop
from backfill.engine.upkeep.maintenance import Maintenance
from backfill.events.job import PassDone, PassRestarted, VerificationRestarted, Verified
from backfill.events.throttle import WaitStarted
from backfill.retry.sqlstate import Blame
from backfill.table.batch import Verification, with_counts
from backfill.table.checkpoint import Checkpoint
from backfill.table.pass_progress import PASSES_MAX, PassProgress, Verdict, counted
from backfill.table.unconverged_xids import is_full
from backfill.throttle.wait_reason import WaitReason
from backfill.values.errors import BackfillError, ProofInterrupted, StatementRefused, TableRewritten

GIVE_WAY_S = 0.5
"""How often the final read looks whether those it gave way to are done."""


class LeafRun:
    """The passes over a leaf, from its checkpoints to its proof."""

    def __init__(
        self,
        session: LeafSession,
        group: LaneGroup,
        control: AdmissionControl,
        maintenance: Maintenance,
        retry_loop: RetryLoop,
    ) -> None:
        self._session = session
        self._group = group
        self._control = control
        self._job = control.job.name
        self._record = control.runtime.record
        self._maintenance = maintenance
        self._retry_loop = retry_loop
        self._lanes: list[Lane] = []
        self._gave_way: WaitReason | None = None

    async def run(self) -> Verification:
        """Fill the leaf; return the last verification: the rows that remain cannot converge, or are rejected.

        Rows that an earlier run has rejected are retried first: the pass that met them may be behind them.
        """
        count = len(self._group.checkpoints)
        sessions = await self._retry_loop.run(lambda: self._session.lanes(count))
        await self.retry_rejected(sessions[0])
        self._lanes = [
            Lane(session, self._group, self._control, self._session.opened.traits, checkpoint)
            for session, checkpoint in zip(sessions, self._group.checkpoints, strict=True)
        ]
        await self._begin(self._group.checkpoints)
        progress, verdict = PassProgress(reads_own_rows="own-table" in self._control.job.accept), Verdict.GO_ON
        while verdict is Verdict.GO_ON:
            await self._run_pass()
            rows = sum(checkpoint.rows_pass for checkpoint in self._group.checkpoints)
            self._record(PassDone(self._job, self._group.checkpoints[0].pass_number, rows))
            verification = await self.verify()
            forgetful = is_full(self._group.checkpoints)
            progress, verdict = progress.after(rows, verification, forgetful=forgetful)
            if verdict in (Verdict.DONE, Verdict.UNREACHED, Verdict.UNTOLD):
                return counted(verification, verdict)
            await self._new_pass(verification.rows_fillable)
        raise BackfillError(
            f"rows matching 'where' still appear after {PASSES_MAX} passes that left no fewer of them: whoever writes"
            " such rows, the application or a trigger, has to set the column; then run again"
        )

    async def _run_pass(self) -> None:
        """Run every lane to the end of the pass; start the pass again if the table was rewritten."""
        while True:
            try:
                await self._group.run([lane.run_pass for lane in self._lanes])
            except TableRewritten:
                await self._reopen()
            else:
                return

    async def _new_pass(self, rows: int) -> None:
        try:
            checkpoints = await self._retry_loop.run(lambda: self._session.new_pass(self._group.checkpoints))
            self._group.start_pass(checkpoints, rows)
            await self._begin(checkpoints)
        except TableRewritten:
            await self._reopen()

    async def _reopen(self) -> None:
        checkpoints, why = await self._retry_loop.run(lambda: self._session.reopen(self._group.checkpoints))
        self._group.start_pass(checkpoints)
        await self._begin(checkpoints)
        self._record(PassRestarted(self._job, why))

    async def _begin(self, checkpoints: tuple[Checkpoint, ...]) -> None:
        self._group.move(checkpoints)
        rejected = await self._retry_loop.run(self._session.read_rejected)
        known = frozenset(row.tid for row in rejected)
        for lane, checkpoint in zip(self._lanes, checkpoints, strict=True):
            lane.begin(checkpoint, known)

    async def retry_rejected(self, session: LaneSession) -> None:
        """Retry the rejected rows of the leaf on one of its lanes."""
        checkpoint = self._group.checkpoints[0]
        leaf = checkpoint.leaf or str(self._control.job.table)
        retrier = RejectedRowRetrier(self._session, session, self._control, self._retry_loop)
        self._group.update(await retrier.retry_all(leaf, checkpoint))

    async def verify(self) -> Verification:
        """Read the whole leaf once, after a pass; again from the beginning after a pause."""
        while True:
            await self._control.hold(self._session)
            with suppress(ProofInterrupted):
                return await self._retry_loop.run(self._verify)

    async def _verify(self) -> Verification:
        await self._maintenance.stop(self._session, self._control.job, "the final read begins")
        checkpoints = self._group.checkpoints
        # A pass that is not at its end has yet to meet rejected rows of the one before: they stay.
        pass_number = checkpoints[0].pass_number - (not all(checkpoint.pass_done for checkpoint in checkpoints))
        try:
            found = await self._session.verify(pass_number, self._give_way)
        except StatementRefused as error:
            if self._retry_loop.blame(error) is not Blame.ROW or not self._session.disable_prediction():
                raise
            # `set` fails on a row: the read goes without it
            found = await self._session.verify(pass_number, self._give_way)
        found = with_counts(found, checkpoints)
        verified = Verified(
            job=self._job,
            rows_left=found.rows_left,
            rows_unconverged=found.rows_unconverged or 0,
            took_s=found.took_s,
            rows_without_partner=found.rows_without_partner,
            rows_rejected=found.rows_rejected,
        )
        self._record(verified)
        return found

    async def _give_way(self, reason: WaitReason | None) -> None:
        """Wait while others need the lock of the final read, and report when it continues; look for a stop."""
        runtime = self._control.runtime
        if reason is not None:
            runtime.record(WaitStarted(self._job, reason, GIVE_WAY_S))
            await self._control.save_wait(self._session, reason)
        elif self._gave_way is not None:
            await self._control.save_wait(self._session, None)
            self._record(VerificationRestarted(self._job, f"it gave way, {self._gave_way}"))
        self._gave_way = reason
        await runtime.sleep(GIVE_WAY_S if reason else 0)
