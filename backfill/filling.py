"""One leaf: a pass of all lanes and the read that proves it, until nothing is left that can be filled."""

from __future__ import annotations

from dataclasses import replace

from backfill.attempts import Attempts
from backfill.core.batch import Opened, Verification
from backfill.core.events import PassDone, TableRewritten, Verified
from backfill.core.scan import Scan
from backfill.errors import BackfillError, Rewritten
from backfill.gate import Gate
from backfill.lane import Lane
from backfill.ports import LaneSession, Session
from backfill.shift import Shift

PASSES_MAX = 50


class Filling:
    """The passes over a leaf, from where it was left to its proof."""

    def __init__(self, session: Session, shift: Shift, gate: Gate, attempts: Attempts) -> None:
        self.session = session
        self._shift = shift
        self._gate = gate
        self._job = gate.job.name
        self._record = gate.around.record
        self._attempts = attempts
        self._lanes: list[Lane] = []

    async def run(self, sessions: tuple[LaneSession, ...], opened: Opened) -> Verification:
        """Fill the leaf; return the last verification, in which every row left is one that cannot converge."""
        self._lanes = [
            Lane(session, self._shift, self._gate, opened.heap, scan)
            for session, scan in zip(sessions, opened.scans, strict=True)
        ]
        untouched = 0
        for _ in range(PASSES_MAX):
            await self._run_pass()
            rows = sum(scan.rows_pass for scan in self._shift.scans)
            self._record(PassDone(self._job, self._shift.scans[0].pass_number, rows))
            verification = await self._attempts.until_done(self._verify)
            if verification.rows_left == verification.rows_unconverged:
                return verification
            if rows == 0 and verification.rows_left == untouched:
                others = "they change while the function works, or " if self._gate.job.python else ""
                raise BackfillError(
                    f"{untouched:,} rows match 'where' and no UPDATE reaches them: {others}a trigger or a rule"
                    f" suppresses it; for example {', '.join(verification.samples)}"
                )
            untouched = 0 if rows else verification.rows_left
            await self._new_pass()
        raise BackfillError(
            f"after {PASSES_MAX} passes rows that match 'where' still appear: let the application fill"
            " the column of the rows that it writes, then run again"
        )

    async def _run_pass(self) -> None:
        """Let every lane go to the end of the pass; where the table was rewritten, start it again."""
        while True:
            try:
                await self._shift.work([lane.run_pass for lane in self._lanes])
            except Rewritten:
                await self._reopen()
            else:
                return

    async def _new_pass(self) -> None:
        try:
            self._begin(await self._attempts.until_done(lambda: self.session.new_pass(self._shift.scans)))
        except Rewritten:
            await self._reopen()

    async def _reopen(self) -> None:
        scans, why = await self._attempts.until_done(lambda: self.session.reopen(self._shift.scans))
        self._begin(scans)
        self._record(TableRewritten(self._job, why))

    def _begin(self, scans: tuple[Scan, ...]) -> None:
        self._shift.move(scans)
        for lane, scan in zip(self._lanes, scans, strict=True):
            lane.begin(scan)

    async def _verify(self) -> Verification:
        await self._gate.vacuuming.rest(self.session, self._gate.job, "the final read begins")
        found = await self.session.verify()
        alone = found.rows_without_partner
        if found.rows_unconverged is None:
            # Not foreseen: stuck are what a pass updated in vain; one that mended rows, too, may have met some twice.
            converged = sum(scan.rows_converged_pass for scan in self._shift.scans)
            in_vain = 0 if converged else sum(scan.rows_pass for scan in self._shift.scans)
            found = replace(found, rows_unconverged=min(found.rows_left, alone + in_vain))
        rows_unconverged = found.rows_unconverged or 0
        self._record(Verified(self._job, found.rows_left, rows_unconverged, found.took_s, alone))
        return found
