"""One job on one session: its lock, then leaf by leaf passes of all lanes until one finds nothing, then the proof."""

from __future__ import annotations

from dataclasses import replace

from backfill.attempts import Attempts
from backfill.core.batch import Opened, Verification
from backfill.core.events import LockTaken, LockWaiting, PassDone, Started, TableRewritten, Verified, Waited
from backfill.core.job import Job
from backfill.core.reason import Kind, Reason
from backfill.core.scan import Scan
from backfill.errors import BackfillError, LockHeld, Rewritten
from backfill.gate import Gate
from backfill.lane import Lane
from backfill.ports import Session, Surroundings
from backfill.shift import Shift

LOCK_POLL_S = 1.0
PASSES_MAX = 50


class Worker:
    """One job on one session, from the lock to the last verification."""

    def __init__(self, job: Job, session: Session, around: Surroundings, gate: Gate) -> None:
        self.job = job
        self.session = session
        self.around = around
        self.gate = gate
        self.shift = Shift(around)
        self.opened = False
        self._attempts = Attempts(session, around, gate)
        self._lanes: list[Lane] = []

    @property
    def scans(self) -> tuple[Scan, ...]:
        """Where the lanes of the leaf at work are."""
        return self.shift.scans

    async def lock(self, *, wait: bool) -> None:
        """Take the job's lock, waiting for its holder's end and saying who that is."""
        began_s = self.around.now_s()
        while (holder := await self.session.try_lock()) is not None:
            if not wait:
                raise LockHeld(f"job {self.job.name!r} is locked by {holder}; --no-wait was given")
            self.around.record(LockWaiting(self.job.name, holder, self.around.now_s() - began_s))
            self.around.record(Waited(self.job.name, Reason(Kind.LOCK, f"lock held by {holder}"), LOCK_POLL_S))
            await self.around.sleep(LOCK_POLL_S)
        self.around.record(LockTaken(self.job.name, self.around.now_s() - began_s))

    async def run(self) -> Verification:
        """Fill the table; return the last verification, in which every row left is one that cannot converge."""
        [leaf] = await self.session.leaves()
        await self._open(leaf)
        untouched = 0
        for _ in range(PASSES_MAX):
            await self._run_pass()
            rows = sum(scan.rows_pass for scan in self.scans)
            converged = sum(scan.rows_converged_pass for scan in self.scans)
            self.around.record(PassDone(self.job.name, self.scans[0].pass_number, rows))
            if converged == 0:
                verification = await self._attempts.until_done(self._verify)
                if verification.rows_left == verification.rows_unconverged:
                    return verification
                if rows == 0 and verification.rows_left == untouched:
                    raise BackfillError(
                        f"{untouched:,} rows match 'where' and no UPDATE reaches them: a trigger or a rule suppresses"
                        f" it; for example {', '.join(verification.samples)}"
                    )
                untouched = verification.rows_left
            await self._new_pass()
        raise BackfillError(
            f"after {PASSES_MAX} passes rows that match 'where' still appear: let the application fill"
            " the column of the rows that it writes, then run again"
        )

    async def _open(self, leaf: str) -> None:
        opened = await self.session.open(leaf)
        self.shift.scans, self.opened = opened.scans, True
        self.shift.proven = self.shift.proven or any(scan.rows_total for scan in opened.scans)
        self.gate.begin(opened.replicas_seen, opened.compression)
        self._tell_start(leaf, opened)
        sessions = await self.session.sessions(len(opened.scans))
        self._lanes = [
            Lane(session, self.shift, self.gate, opened.heap, scan)
            for session, scan in zip(sessions, opened.scans, strict=True)
        ]

    def _tell_start(self, leaf: str, opened: Opened) -> None:
        limits = self.job.throttle
        started = Started(
            job=self.job.name,
            table=leaf,
            pages=opened.pages,
            rows_estimated=opened.rows_estimated,
            resumed=opened.resumed,
            pass_number=opened.scans[0].pass_number,
            progress_ratio=self.shift.progress_ratio,
            rows_total=self.shift.rows_total,
            lanes=len(opened.scans),
            max_lag_s=limits.max_lag_s,
            max_lag_bytes=limits.max_lag_bytes,
            max_wal_rate_bytes_s=limits.max_wal_rate_bytes_s,
            statement_timeout_s=self.job.statement_timeout_s,
        )
        self.around.record(started)
        if opened.rewritten:
            self.around.record(TableRewritten(self.job.name, opened.rewritten))

    async def _run_pass(self) -> None:
        """Let every lane go to the end of the pass; where the table was rewritten, start it again."""
        while True:
            try:
                await self.shift.work([lane.run_pass for lane in self._lanes])
            except Rewritten:
                await self._reopen()
            else:
                return

    async def _new_pass(self) -> None:
        try:
            self._begin(await self._attempts.until_done(lambda: self.session.new_pass(self.scans)))
        except Rewritten:
            await self._reopen()

    async def _reopen(self) -> None:
        scans, why = await self._attempts.until_done(lambda: self.session.reopen(self.scans))
        self._begin(scans)
        self.around.record(TableRewritten(self.job.name, why))

    def _begin(self, scans: tuple[Scan, ...]) -> None:
        self.shift.scans = scans
        for lane, scan in zip(self._lanes, scans, strict=True):
            lane.begin(scan)

    async def _verify(self) -> Verification:
        await self.gate.vacuuming.rest(self.session, self.job, "the final read begins")
        found = await self.session.verify()
        alone = found.rows_without_partner
        if found.rows_unconverged is None:  # not foreseen: stuck are those that the last pass updated in vain
            in_vain = alone + sum(scan.rows_pass - scan.rows_converged_pass for scan in self.scans)
            found = replace(found, rows_unconverged=min(found.rows_left, in_vain))
        rows_unconverged = found.rows_unconverged or 0
        self.around.record(Verified(self.job.name, found.rows_left, rows_unconverged, found.took_s, alone))
        return found
