"""Admission control before each batch: read the signals, decide, wait with a reason.

All lanes of a run pass the same control, one at a time: there is one budget, and what is admitted and not yet written
is taken from it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Protocol

import anyio

from backfill.engine.admission.history_keeper import HistoryKeeper
from backfill.engine.admission.limits import JobLimits
from backfill.engine.admission.paused_time import PausedTime
from backfill.engine.admission.readings import ReadingRecorder
from backfill.engine.admission.wait_persistence import WaitPersistence
from backfill.engine.ports import LaneSession, Runtime, StatusSession
from backfill.events.build import limits_changed, throttle_decision
from backfill.events.throttle import ThrottleDecision, WaitStarted
from backfill.jobfile.job import Job
from backfill.table.batch import Committed
from backfill.table.checkpoint import Checkpoint
from backfill.table.snapshot_ages import SnapshotAges
from backfill.throttle import decide, state, wal_attribution
from backfill.throttle.conditions.cancellation import refuse_cancelled
from backfill.throttle.conditions.pause import pause_reason
from backfill.throttle.conditions.schedule import closed_reason
from backfill.throttle.conditions.seen_replicas import SeenReplica
from backfill.throttle.decision_values import Admission, Decision, Run, Wait
from backfill.throttle.signals import Signals, located
from backfill.throttle.state import ThrottleState
from backfill.throttle.wait_reason import LASTING_KINDS, PACE_KINDS, WaitReason
from backfill.throttle.wal_attribution import WalAttribution

HOLD_S = 0.5
"""How often a paused job looks whether it may go on, when no batch is next."""


class Companion(Protocol):
    """What goes on alongside the batches: it learns of each decision and of what each batch cost."""

    @property
    def compression(self) -> str | None:
        """How the next batch compresses its full-page images; None when it does not."""

    async def on_decision(
        self,
        session: LaneSession,
        job: Job,
        throttle_state: ThrottleState,
        signals: Signals,
        decision: Decision | None,
        *,
        window_begins: bool,
    ) -> None:
        """Act on a reading; `decision` is None when no batch follows it."""

    def after_admission(self, throttle_state: ThrottleState, limited_by: str, *, paced: bool) -> ThrottleState:
        """Return the throttle's memory after a batch was admitted; `paced` is whether it waited for its pace."""

    def on_committed(self, throttle_state: ThrottleState, batch: Committed, unfilled_share: float) -> ThrottleState:
        """Return the throttle's memory after a batch, before it learns what the batch cost."""


class AdmissionControl:
    """The throttle's memory of one run, and the waiting."""

    def __init__(self, job: Job, runtime: Runtime, companion: Companion) -> None:
        self.limits = JobLimits(job)
        self.history = HistoryKeeper(runtime)
        self.runtime = self.history.runtime
        self.readings = ReadingRecorder(self.runtime)
        self.throttle_state = ThrottleState()
        self.snapshots = SnapshotAges()
        self.paused = PausedTime()
        self._companion = companion
        self._waits = WaitPersistence(runtime)
        self._turn = anyio.Lock(fast_acquire=True)
        self._attribution = WalAttribution()
        self._expected_wal_bytes: dict[int, float] = {}

    @property
    def job(self) -> Job:
        """The job under the limits that hold now."""
        return self.limits.job

    def begin(self, replicas_seen: tuple[SeenReplica, ...]) -> None:
        """Start over on a new session: positions of another server mean nothing, what a batch costs still does."""
        kept = self.throttle_state
        self.throttle_state = ThrottleState(cost=kept.cost, wal_debt=kept.wal_debt, seen=replicas_seen)
        self._attribution, self._expected_wal_bytes = WalAttribution(), {}
        self.limits.reset()

    @asynccontextmanager
    async def granted(self, session: LaneSession, checkpoint: Checkpoint) -> AsyncGenerator[Admission, None]:
        """Admit a lane's batch; take back what was admitted when the batch has ended, one way or the other."""
        try:
            yield await self.admit(session, checkpoint)
        finally:
            self.release(checkpoint.lane)

    async def admit(self, session: LaneSession, checkpoint: Checkpoint) -> Admission:
        """Wait until a lane's batch may go; return how large it may be, and why. To be followed by `release`."""
        waited_s, waited_for, paced = 0.0, None, False
        async with self._turn:
            while True:
                signals = await self._read(session)
                compression = self._companion.compression
                decision, explained = self._decide(signals, checkpoint.stripe, compression)
                await self._companion.on_decision(
                    session,
                    self.job,
                    self.throttle_state,
                    signals,
                    decision,
                    window_begins=checkpoint.window_untouched or checkpoint.stripes == 1,
                )
                if isinstance(decision, Run):
                    break
                await self._wait(session, decision)
                paced = paced or decision.reason.kind in PACE_KINDS
                waited_s, waited_for = waited_s + decision.delay_s, waited_for or str(decision.reason)
            self._grant(decision, signals, checkpoint, paced=paced)
            await self.save_wait(session, None)
            await self.history.save(session)
        return Admission(
            rows=decision.rows,
            limited_by=explained.limited_by,
            inputs=explained.inputs,
            flush=decision.flush,
            waited_s=waited_s,
            waited_for=waited_for,
            compression=compression,
        )

    def attribute_wal(self, lane: int, position: int) -> int:
        """Return what a lane's batch has written with the primary at a position: its last statement is behind it."""
        wal_bytes, self._attribution = wal_attribution.close_batch(self._attribution, lane, position)
        return wal_bytes

    def release(self, lane: int) -> None:
        """Take back what was admitted to a lane."""
        self._expected_wal_bytes.pop(lane, None)
        _, self._attribution = wal_attribution.close_batch(self._attribution, lane, None)

    async def refresh(self, session: LaneSession) -> None:
        """Read the signals when no batch follows, so that metrics and the LSN clock stay fresh."""
        if self.readings.stale():
            signals = await self._read(session)
            self.throttle_state = decide.after_reading(self.job.throttle, self.throttle_state, signals)
            self.readings.record(self.job, self.throttle_state, signals)
            await self._companion.on_decision(
                session, self.job, self.throttle_state, signals, None, window_begins=False
            )
            if pause_reason(signals.request) or signals.closed:
                await self.hold(session)

    async def hold(self, session: StatusSession) -> None:
        """Wait while a person has paused the job or its windows are closed; raises Cancelled if it was cancelled."""
        held = False
        while True:
            request = await session.read_request()
            refuse_cancelled(self.job.name, request)
            reason = pause_reason(request)
            if reason is None and self.job.window:
                reason = closed_reason(self.job.window, await session.read_time(), request)
            if reason is None:
                break
            held = True
            await self.save_wait(session, reason)
            self.runtime.record(WaitStarted(self.job.name, reason, HOLD_S))
            await self._sleep(session, reason, HOLD_S)
        if held:
            await self.save_wait(session, None)

    def record_cost(self, batch: Committed, stripe: int, unfilled_share: float = 1.0) -> None:
        """Learn what a batch cost, us and those who waited for its locks.

        `unfilled_share` is how much of the room of its rows that left their pages stays empty.
        """
        now_s = self.runtime.now_s()
        learned = self._companion.on_committed(self.throttle_state, batch, unfilled_share)
        learned = state.after_batch(
            learned, stripe=stripe, rows=batch.rows, wal_bytes=batch.wal_bytes, took_s=batch.took_s
        )
        learned = state.tick(learned, now_s, batch.insert_lsn)
        self.throttle_state = state.after_lock_waits(
            learned, now_s, batch.blocked_sessions, self.job.throttle.max_blocked_sessions
        )

    async def save_wait(self, session: StatusSession, reason: WaitReason | None) -> None:
        """Keep what the job waits for where `status` finds it."""
        await self._waits.save(session, reason, self.throttle_state.seen)

    async def _read(self, session: LaneSession) -> Signals:
        """Read the signals; limits that were changed hold at once."""
        signals, before = await session.read_signals(), self.job
        refuse_cancelled(before.name, signals.request)
        self.snapshots = self.snapshots.after(signals.upkeep)
        if signals.visible and self.limits.override(signals.tuned):
            self.throttle_state = state.at_wal_rate(
                self.throttle_state, before.throttle.max_wal_rate_bytes_s, self.job.throttle.max_wal_rate_bytes_s
            )
            await session.apply_limits(self.job)
            self.runtime.record(limits_changed(self.job, dict(signals.tuned), self.limits.refused))
        closed = closed_reason(self.job.window, signals.now, signals.request) if signals.visible else None
        return located(replace(signals, closed=closed), self.throttle_state.clock)

    def _decide(self, signals: Signals, stripe: int, compression: str | None) -> tuple[Decision, ThrottleDecision]:
        pending_bytes = sum(self._expected_wal_bytes.values())
        if pending_bytes != self.throttle_state.pending_bytes:
            self.throttle_state = replace(self.throttle_state, pending_bytes=pending_bytes)
        decision, self.throttle_state = decide.decide(
            self.job.throttle, self.job.batch, self.throttle_state, signals, stripe
        )
        self.readings.record(self.job, self.throttle_state, signals)
        explained = throttle_decision(self.job, self.throttle_state, decision, stripe, compression)
        self.runtime.record(explained)
        return decision, explained

    async def _wait(self, session: LaneSession, decision: Wait) -> None:
        await self.save_wait(session, decision.reason)
        self.runtime.record(WaitStarted(self.job.name, decision.reason, decision.delay_s))
        await self._sleep(session, decision.reason, decision.delay_s)

    async def _sleep(self, session: StatusSession, reason: WaitReason, delay_s: float) -> None:
        began_s = self.runtime.now_s()
        await self.runtime.sleep(delay_s)
        if reason.kind in LASTING_KINDS:  # nobody wants it to work
            self.paused = self.paused.plus(began_s, self.runtime.now_s())
        await self.history.save(session)

    def _grant(self, decision: Run, signals: Signals, checkpoint: Checkpoint, *, paced: bool) -> None:
        lane, row_wal_bytes = checkpoint.lane, self.throttle_state.cost.wal_bytes(checkpoint.stripe)
        self._expected_wal_bytes[lane] = decision.rows * row_wal_bytes
        self._attribution = wal_attribution.open_batch(self._attribution, lane, signals.insert_lsn)
        self.throttle_state = self._companion.after_admission(self.throttle_state, decision.limited_by, paced=paced)
