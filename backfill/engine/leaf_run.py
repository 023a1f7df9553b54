"""One leaf: a pass of all lanes and the read that proves it, until nothing is left that can be filled."""

from __future__ import annotations

from backfill.engine.admission import AdmissionControl
from backfill.engine.lane import Lane
from backfill.engine.lane_group import LaneGroup
from backfill.engine.ports import JobSession, LaneSession
from backfill.engine.rejected_rows import RejectedRowRetrier
from backfill.engine.retry_loop import RetryLoop
from backfill.events.job import PassDone, PassRestarted, Verified
from backfill.retry.sqlstate import Remedy
from backfill.table.batch import OpenedLeaf, Verification, with_counts
from backfill.table.checkpoint import Checkpoint
from backfill.values.errors import BackfillError, StatementRefused, TableRewritten

PASSES_MAX = 50


class LeafRun:
    """The passes over a leaf, from where it was left to its proof."""

    def __init__(self, session: JobSession, group: LaneGroup, control: AdmissionControl, attempts: RetryLoop) -> None:
        self.session = session
        self._group = group
        self._control = control
        self._job = control.job.name
        self._record = control.runtime.record
        self._retry_loop = attempts
        self._lanes: list[Lane] = []

    async def run(self, sessions: tuple[LaneSession, ...], opened: OpenedLeaf) -> Verification:
        """Fill the leaf; return the last verification: rows left are those that cannot converge, or that are set aside.

        Those that an earlier run has set aside are tried first: the pass that set them aside may be behind them.
        """
        await self.try_again()
        self._lanes = [
            Lane(session, self._group, self._control, opened.traits, checkpoint)
            for session, checkpoint in zip(sessions, self._group.checkpoints, strict=True)
        ]
        await self._begin(self._group.checkpoints)
        untouched = 0
        for _ in range(PASSES_MAX):
            await self._run_pass()
            rows = sum(checkpoint.rows_pass for checkpoint in self._group.checkpoints)
            self._record(PassDone(self._job, self._group.checkpoints[0].pass_number, rows))
            verification = await self.prove()
            if verification.rows_fillable == 0:
                return verification
            if rows == 0 and verification.rows_fillable == untouched:
                others = "they change while the function works, or " if self._control.job.python else ""
                raise BackfillError(
                    f"{untouched:,} rows match 'where' and no UPDATE reaches them: {others}a trigger or a rule"
                    f" suppresses it; for example {', '.join(verification.samples)}"
                )
            untouched = 0 if rows else verification.rows_fillable
            await self._new_pass()
        raise BackfillError(
            f"after {PASSES_MAX} passes rows that match 'where' still appear: let the application fill"
            " the column of the rows that it writes, then run again"
        )

    async def _run_pass(self) -> None:
        """Let every lane go to the end of the pass; where the table was rewritten, start it again."""
        while True:
            try:
                await self._group.work([lane.run_pass for lane in self._lanes])
            except TableRewritten:
                await self._reopen()
            else:
                return

    async def _new_pass(self) -> None:
        try:
            await self._begin(await self._retry_loop.run(lambda: self.session.new_pass(self._group.checkpoints)))
        except TableRewritten:
            await self._reopen()

    async def _reopen(self) -> None:
        checkpoints, why = await self._retry_loop.run(lambda: self.session.reopen(self._group.checkpoints))
        await self._begin(checkpoints)
        self._record(PassRestarted(self._job, why))

    async def _begin(self, checkpoints: tuple[Checkpoint, ...]) -> None:
        self._group.move(checkpoints)
        rejected = await self._retry_loop.run(self.session.read_rejected)
        known = frozenset(one.tid for one in rejected)
        for lane, checkpoint in zip(self._lanes, checkpoints, strict=True):
            lane.begin(checkpoint, known)

    async def try_again(self) -> None:
        """Try the rows of the leaf that are set aside, by the session that holds its checkpoints."""
        checkpoint = self._group.checkpoints[0]
        leaf = checkpoint.leaf or str(self._control.job.table)
        self._group.place(
            await RejectedRowRetrier(self.session, self._control, self._retry_loop).try_all(leaf, checkpoint)
        )

    async def prove(self) -> Verification:
        """Read the whole leaf once, behind a pass of which the shift has the places."""
        return await self._retry_loop.run(self._verify)

    async def _verify(self) -> Verification:
        await self._control.vacuum_supervisor.rest(self.session, self._control.job, "the final read begins")
        checkpoints = self._group.checkpoints
        try:
            found = await self.session.verify(checkpoints[0].pass_number)
        except StatementRefused as error:
            if self._retry_loop.remedy(error) is not Remedy.ROW or not self.session.stop_foreseeing():
                raise
            found = await self.session.verify(
                checkpoints[0].pass_number
            )  # `set` fails on a row: it is not foreseen then
        found = with_counts(found, checkpoints)
        verified = Verified(
            self._job,
            found.rows_left,
            found.rows_unconverged or 0,
            found.took_s,
            found.rows_without_partner,
            found.rows_rejected,
        )
        self._record(verified)
        return found
