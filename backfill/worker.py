"""THE loop: scout, ask the gate, run one batch with its checkpoint, tell what happened; until a pass finds nothing.

It knows protocols and values, no driver and no clock of its own. Between two steps it looks whether it should
stop; inside a batch nothing stops it but the server's own timeouts.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar

from backfill.core import scout
from backfill.core.batch import Filled, Overfull, Verification
from backfill.core.decision import Admission
from backfill.core.events import (
    BatchDone,
    LockTaken,
    LockWaiting,
    PassDone,
    Retried,
    Started,
    TableRewritten,
    Verified,
    Waited,
)
from backfill.core.job import Job
from backfill.core.progress import Progress
from backfill.core.reason import Kind, Reason
from backfill.core.retry import Remedy, backoff_s, classify
from backfill.core.scan import Scan, Tid, advance
from backfill.core.scout import Cut, Scouted
from backfill.errors import BackfillError, Halted, LockHeld, Lost, Refused, Rewritten
from backfill.gate import Gate
from backfill.ports import Session, Surroundings

T = TypeVar("T")

LOCK_POLL_S = 1.0
PASSES_MAX = 50


class Worker:
    """One job on one session, from the lock to the last verification."""

    def __init__(self, job: Job, session: Session, around: Surroundings, gate: Gate) -> None:
        self.job = job
        self.session = session
        self.around = around
        self.gate = gate
        self.scan = Scan(end_page=0, stripes=1)
        self.samples: tuple[str, ...] = ()
        self.opened = False
        self.progressed = False
        self._progress = Progress()
        self._scouted: Scouted | None = None
        self._rows_cap = job.batch.max_rows
        self._failures = 0

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
        await self._open()
        untouched = 0
        for _ in range(PASSES_MAX):
            while not self.scan.pass_done:
                await self._guarded(self._advance)
            self.around.record(PassDone(self.job.name, self.scan.pass_number, self.scan.rows_pass))
            if self.scan.rows_converged_pass == 0:
                verification = await self._until_done(self._verify)
                if verification.rows_left == verification.rows_unconverged:
                    return verification
                if self.scan.rows_pass == 0 and verification.rows_left == untouched:
                    raise BackfillError(
                        f"{untouched:,} rows match 'where' and no UPDATE reaches them: a trigger or a rule suppresses"
                        f" it; for example {', '.join(verification.samples)}"
                    )
                untouched = verification.rows_left
            await self._guarded(self._new_pass)
        raise BackfillError(
            f"after {PASSES_MAX} passes rows that match 'where' still appear: let the application fill"
            " the column of the rows that it writes, then run again"
        )

    async def _open(self) -> None:
        opened = await self.session.open()
        self.scan, self.opened = opened.scan, True
        self.gate.begin(opened.replicas_seen)
        limits = self.job.throttle
        started = Started(
            job=self.job.name,
            table=str(self.job.table),
            pages=opened.pages,
            rows_estimated=opened.rows_estimated,
            resumed=opened.resumed,
            pass_number=self.scan.pass_number,
            progress_ratio=self.scan.progress_ratio,
            rows_total=self.scan.rows_total,
            stripes=self.scan.stripes,
            max_lag_s=limits.max_lag_s,
            max_lag_bytes=limits.max_lag_bytes,
            max_wal_rate_bytes_s=limits.max_wal_rate_bytes_s,
            statement_timeout_s=self.job.statement_timeout_s,
        )
        self.around.record(started)
        if opened.rewritten:
            self.around.record(TableRewritten(self.job.name, opened.rewritten))

    async def _advance(self) -> None:
        """Move the place on: over a stretch without work, or by one batch."""
        await self.around.sleep(0)
        cut = await self._cut(min(self.gate.rows_wished(self.scan.stripe), self._rows_cap))
        if cut.rows == 0:
            await self._skip(cut.end)
            return
        admission = await self.gate.admit(self.session, self.scan.stripe)
        cut = await self._cut(min(admission.rows, self._rows_cap))
        if cut.rows:
            await self._fill(cut, admission)

    async def _new_pass(self) -> None:
        self.scan = await self.session.new_pass(self.scan)
        self._scouted = None

    async def _guarded(self, step: Callable[[], Awaitable[None]]) -> None:
        """Take one step; where the table was rewritten under it, start the scan again instead."""
        try:
            await self._until_done(step)
        except Rewritten:
            self.scan, why = await self.session.reopen(self.scan)
            self._scouted = None
            self.around.record(TableRewritten(self.job.name, why))

    async def _until_done(self, step: Callable[[], Awaitable[T]]) -> T:
        """Take a step again after each failure that another attempt may mend."""
        while True:
            try:
                return await step()
            except Refused as error:
                await self._remedy(error)

    async def _cut(self, rows: int) -> Cut:
        """Return the next batch of at most `rows`; scouts when the last scout does not reach or is too coarse."""
        if self._scouted is not None and scout.covers(self._scouted, self.scan):
            cut = scout.cut(self._scouted, self.scan, rows)
            if cut is not None:
                return cut
        self._scouted = await self.session.read_scout(self.scan, rows)
        cut = scout.cut(self._scouted, self.scan, rows)
        if cut is None:
            raise AssertionError(f"a slice made for {rows} rows has more")
        return cut

    async def _skip(self, end: Tid) -> None:
        before, self.scan = self.scan, advance(self.scan, end)
        if self.scan.window_start != before.window_start:
            self.scan = await self.session.save_place(self.scan)
            await self.gate.look(self.session)

    async def _fill(self, cut: Cut, admission: Admission) -> None:
        before = self.scan
        done = await self.session.run_batch(before, cut, admission)
        if isinstance(done, Overfull):
            self._scouted = None
            return
        self.scan = done.scan
        self.samples = (*self.samples, *done.samples)[:5]
        self._failures, self.progressed = 0, True
        self._rows_cap = min(self.gate.job.batch.max_rows, self._rows_cap * 2)
        self.gate.learn(done, before.stripe)
        self._tell(before, cut, done)

    def _tell(self, before: Scan, cut: Cut, done: Filled) -> None:
        now_s = self.around.now_s()
        ratio = done.scan.progress_ratio
        self._progress = self._progress.sample(now_s, ratio)
        batch = BatchDone(
            job=self.job.name,
            pass_number=before.pass_number,
            stripe=before.stripe,
            first_page=before.next.page,
            last_page=max(before.next.page, cut.end.page - (cut.end.offset == 0)),
            rows=done.rows,
            rows_unconverged=done.rows_unconverged,
            rows_hot=done.rows_hot,
            wal_bytes=done.wal_bytes,
            took_s=done.took_s,
            rows_total=done.scan.rows_total,
            progress_ratio=ratio,
            eta_s=self._progress.eta_s(now_s),
            blocked_sessions=done.blocked_sessions,
        )
        self.around.record(batch)

    async def _verify(self) -> Verification:
        found = await self.session.verify()
        alone = found.rows_without_partner
        if found.rows_unconverged is None:  # not foreseen: stuck are those that the last pass updated in vain
            stuck = alone + self.scan.rows_pass - self.scan.rows_converged_pass
            found = replace(found, rows_unconverged=min(found.rows_left, stuck))
        rows_unconverged = found.rows_unconverged or 0
        self.around.record(Verified(self.job.name, found.rows_left, rows_unconverged, found.took_s, alone))
        return found

    async def _remedy(self, error: Refused) -> None:
        """Wait before the next attempt, smaller where that helps; raises what no attempt can mend."""
        remedy = classify(error.sqlstate)
        if remedy is Remedy.RECONNECT:
            raise Lost(str(error)) from error
        if remedy is Remedy.HALT:
            raise Halted(str(error)) from error
        if remedy is Remedy.FAIL:
            raise error
        self._failures += 1
        if remedy is Remedy.SHRINK:
            self._rows_cap = max(1, min(self._rows_cap, self.gate.rows_wished(self.scan.stripe)) // 2)
        delay_s = backoff_s(self._failures, self.around.jitter())
        self.around.record(Retried(self.job.name, error.sqlstate, str(error), self._failures, delay_s))
        reason = Reason(Kind.RETRY, f"attempt {self._failures}: {error}")
        self.around.record(Waited(self.job.name, reason, delay_s))
        with suppress(Refused):  # what was refused is told; that it is kept too is not worth another failure
            await self.gate.save(self.session, reason)
        await self.around.sleep(delay_s)
