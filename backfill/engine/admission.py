"""The gate before each batch: read the signals, decide, wait with a reason, tell what was measured and decided.

All lanes of a run pass the same gate, one at a time: there is one budget, and what is admitted and not yet written
is taken from it.
"""

from __future__ import annotations

import sys
from dataclasses import replace

import anyio

from backfill.engine.ports import LaneSession, Runtime
from backfill.engine.upkeep.compression import CompressionSwitch
from backfill.engine.upkeep.vacuum import VacuumSupervisor
from backfill.events.build import limits_changed, signals_read, throttle_decision
from backfill.events.throttle import NoReplicas, WaitStarted
from backfill.jobfile.job import Job
from backfill.jobfile.overrides import with_overrides
from backfill.table.batch import BatchResult
from backfill.table.checkpoint import Checkpoint
from backfill.throttle import batch_size, controller, state, wal_attribution
from backfill.throttle.compression_support import ServerSupport
from backfill.throttle.decision import Admission, Wait
from backfill.throttle.signals import Signals, Upkeep, located
from backfill.throttle.state import ThrottleState
from backfill.throttle.wait_reason import PACE_KINDS, WaitKind, WaitReason
from backfill.throttle.wal_attribution import WalAttribution
from backfill.values.errors import JobError

TIMEOUT_SHARE = 0.5
"""Of statement_timeout that a batch is meant to take at most, whatever `min_rows` would like."""
MEASURE_SPACING_S = 0.1
SAVE_SPACING_S = 1.0
SNAPSHOT_SHORT_S, SNAPSHOTS_KEPT = 2.0, 10
"""Snapshots up to this age are outlasted; so many readings of them tell how old they get."""
NO_SUPPORT = ServerSupport()


class AdmissionControl:
    """The throttle's memory of one run, and the waiting. `job` is the job under the limits that hold now."""

    def __init__(self, job: Job, runtime: Runtime) -> None:
        self.job = job
        self.runtime = runtime
        self.throttle_state = ThrottleState()
        self.upkeep = Upkeep()
        self._snapshots_s: tuple[float, ...] = ()
        self.worst_lag_s = 0.0
        self.vacuum_supervisor = VacuumSupervisor(runtime)
        self._turn = anyio.Lock(fast_acquire=True)
        self._compression = CompressionSwitch(job, runtime.record)
        self._attribution = WalAttribution()
        self._expected: dict[int, float] = {}
        self._untuned = job
        self._tuned: tuple[tuple[str, str], ...] = ()
        self._measured_s = float("-inf")
        self._saved_s = float("-inf")
        self._saved: tuple[WaitKind | None, frozenset[str]] = (None, frozenset())
        self._unreplicated_told = False

    def begin(self, replicas_seen: tuple[str, ...], support: ServerSupport = NO_SUPPORT) -> None:
        """Start anew on a session: positions of another server mean nothing, what a batch costs still does."""
        self.throttle_state = ThrottleState(
            cost=self.throttle_state.cost, wal_debt=self.throttle_state.wal_debt, expected=frozenset(replicas_seen)
        )
        self._compression.begin(support)
        self._attribution, self._expected = WalAttribution(), {}
        self.job, self._tuned = self._untuned, ()
        self.vacuum_supervisor.begin(self.job)

    def rows_wished(self, stripe: int) -> int:
        """Return the rows that the next batch would have if it were admitted now."""
        return batch_size.next_batch_rows(self.job.throttle, self.job.batch, self.throttle_state, stripe).rows

    @property
    def rows_in_time(self) -> int:
        """Rows that take half of statement_timeout, as one takes lately: a batch that is ended has done nothing."""
        row_s = self.throttle_state.cost.row_s
        return sys.maxsize if not row_s else max(1, int(TIMEOUT_SHARE * self.job.statement_timeout_s / row_s))

    @property
    def snapshots_s(self) -> float:
        """How old the short snapshots of others got lately."""
        return max(self._snapshots_s, default=0.0)

    def outlast_rows(self, lanes: int) -> float:
        """Return the rows that a lane updates while a transaction beside it lasts: one of others, or another lane's."""
        row_s = self.throttle_state.cost.row_s
        pollers = 0.0 if row_s is None else self.snapshots_s / max(row_s, 1e-9)
        return max(pollers, self.job.batch.max_rows if lanes > 1 else 0.0)

    async def admit(self, session: LaneSession, checkpoint: Checkpoint) -> Admission:
        """Wait until a lane's batch may go; return how large it may be, and why. To be followed by `release`."""
        waited_s, waited_for, stripe, paced = 0.0, "", checkpoint.stripe, False
        async with self._turn:
            while True:
                signals = await self._read(session)
                if (pending_bytes := sum(self._expected.values())) != self.throttle_state.pending_bytes:
                    self.throttle_state = replace(self.throttle_state, pending_bytes=pending_bytes)
                decision, self.throttle_state = controller.decide(
                    self.job.throttle, self.job.batch, self.throttle_state, signals, stripe
                )
                self._tell(signals)
                compression = self._compression.method
                told = throttle_decision(self.job, self.throttle_state, decision, stripe, compression)
                self.runtime.record(told)
                trouble = decision.reason if isinstance(decision, Wait) else None
                edge = checkpoint.window_untouched or checkpoint.stripes == 1
                await self.vacuum_supervisor.tend(
                    session, self.job, self.throttle_state, signals, trouble=trouble, edge=edge
                )
                if not isinstance(decision, Wait):
                    self._expected[checkpoint.lane] = decision.rows * self.throttle_state.cost.wal_bytes(stripe)
                    self._attribution = wal_attribution.open_batch(
                        self._attribution, checkpoint.lane, signals.insert_lsn
                    )
                    self.throttle_state = self._compression.weigh(self.throttle_state, decision.limited_by, paced=paced)
                    await self.save(session, None)
                    return Admission(
                        rows=decision.rows,
                        limited_by=told.limited_by,
                        inputs=told.inputs,
                        flush=decision.flush,
                        waited_s=waited_s,
                        waited_for=waited_for or None,
                        compression=compression,
                    )
                paced = paced or decision.reason.kind in PACE_KINDS
                await self.save(session, decision.reason)
                self.runtime.record(WaitStarted(self.job.name, decision.reason, decision.delay_s))
                waited_s, waited_for = waited_s + decision.delay_s, waited_for or str(decision.reason)
                await self.runtime.sleep(decision.delay_s)

    def charge(self, lane: int, position: int) -> int:
        """Return what a lane's batch has written with the primary at a position: its last statement is behind it."""
        wal_bytes, self._attribution = wal_attribution.close_batch(self._attribution, lane, position)
        return wal_bytes

    def release(self, lane: int) -> None:
        """Take back what was admitted: the batch has ended, one way or the other."""
        self._expected.pop(lane, None)
        _, self._attribution = wal_attribution.close_batch(self._attribution, lane, None)

    async def look(self, session: LaneSession) -> None:
        """Read the signals where no batch follows, so that metrics and the LSN clock stay fresh."""
        if self.runtime.now_s() - self._measured_s >= MEASURE_SPACING_S:
            signals = await self._read(session)
            self.throttle_state = controller.after_reading(self.job.throttle, self.throttle_state, signals)
            self._tell(signals)
            await self.vacuum_supervisor.tend(session, self.job, self.throttle_state, signals, trouble=None, edge=False)

    def learn(self, batch_result: BatchResult, stripe: int, spare_share: float = 1.0) -> None:
        """Learn what a batch cost, us and those who waited for its locks.

        `spare_share` is how much of the room of its rows that left their pages stays empty.
        """
        now_s = self.runtime.now_s()
        self.vacuum_supervisor.learn(batch_result, spare_share)
        if batch_result.compression_refused:
            self.throttle_state = self._compression.refuse(self.throttle_state)
        self.throttle_state = state.after_batch(
            self.throttle_state,
            stripe=stripe,
            rows=batch_result.rows,
            wal_bytes=batch_result.wal_bytes,
            took_s=batch_result.took_s,
        )
        self.throttle_state = state.tick(self.throttle_state, now_s, batch_result.insert_lsn)
        self.throttle_state = state.after_lock_waits(
            self.throttle_state, now_s, batch_result.blocked_sessions, self.job.throttle.max_blocked_sessions
        )

    async def save(self, session: LaneSession, reason: WaitReason | None) -> None:
        """Keep `status` fresh without a write a poll: at once for another kind, else each second, never when calm."""
        kind = None if reason is None or reason.kind in PACE_KINDS else reason.kind
        wanted = (kind, self.throttle_state.expected)
        now_s = self.runtime.now_s()
        if wanted == self._saved and (kind is None or now_s - self._saved_s < SAVE_SPACING_S):
            return
        self._saved, self._saved_s = wanted, now_s
        await session.save_wait(reason if kind else None, self.throttle_state.expected)

    async def _read(self, session: LaneSession) -> Signals:
        """Read the signals, and let limits that were tuned hold at once."""
        signals = await session.read_signals()
        self._see(signals.upkeep)
        if signals.visible and signals.tuned != self._tuned:
            self._tuned = signals.tuned
            await self._retune(session, dict(signals.tuned))
        return located(signals, self.throttle_state.clock)

    def _see(self, upkeep: Upkeep) -> None:
        """Keep the ages of snapshots that end while we work; one that lives long cannot be outlasted."""
        if upkeep is not self.upkeep:
            age_s = upkeep.oldest_snapshot_s or 0.0
            self._snapshots_s = (*self._snapshots_s, age_s if age_s <= SNAPSHOT_SHORT_S else 0.0)[-SNAPSHOTS_KEPT:]
        self.upkeep = upkeep

    async def _retune(self, session: LaneSession, changes: dict[str, str]) -> None:
        refused, before = None, self.job
        try:
            self.job = with_overrides(self._untuned, changes)
        except JobError as error:  # the file has changed since: one of its limits contradicts a tuned one
            self.job, refused = self._untuned, str(error)
        self.throttle_state = state.at_wal_rate(
            self.throttle_state, before.throttle.max_wal_rate_bytes_s, self.job.throttle.max_wal_rate_bytes_s
        )
        await session.apply_limits(self.job)
        self.runtime.record(limits_changed(self.job, changes, refused))

    def _tell(self, signals: Signals) -> None:
        worst_s = max((one.lag_s for one in self.throttle_state.replica_windows), default=0.0)
        self.worst_lag_s = max(self.worst_lag_s, worst_s)
        alone = not self.throttle_state.replica_windows and not self.throttle_state.expected
        if alone and signals.visible and not self._unreplicated_told:
            self._unreplicated_told = True
            self.runtime.record(NoReplicas(self.job.name, self.job.throttle.max_wal_rate_bytes_s))
        if signals.at_s - self._measured_s >= MEASURE_SPACING_S:
            self._measured_s = signals.at_s
            self.runtime.record(signals_read(self.job, self.throttle_state, signals))
