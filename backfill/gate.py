"""The gate before each batch: read the signals, decide, wait with a reason, tell what was measured."""

from __future__ import annotations

from backfill.core import throttle
from backfill.core.batch import Filled
from backfill.core.events import Measured, ReplicaReading, SlotReading, Unreplicated, Waited
from backfill.core.faults import counted
from backfill.core.job import Job
from backfill.core.reason import Kind, Reason
from backfill.core.signals import Signals
from backfill.core.throttle import Pace, Run, Wait
from backfill.ports import Session, Surroundings

MEASURE_SPACING_S = 0.1
SAVE_SPACING_S = 1.0


class Gate:
    """The throttle's memory of one run, and the waiting. `waited_*` tell about the last admission."""

    def __init__(self, job: Job, around: Surroundings) -> None:
        self.job = job
        self.around = around
        self.pace = Pace()
        self.waited_s = 0.0
        self.waited_for: Reason | None = None
        self.worst_lag_s = 0.0
        self._measured_s = float("-inf")
        self._saved_s = float("-inf")
        self._saved: tuple[Kind | None, frozenset[str]] = (None, frozenset())
        self._unreplicated_told = False

    def begin(self, replicas_seen: tuple[str, ...]) -> None:
        """Start anew on a session: positions of another server mean nothing, what a batch costs still does."""
        self.pace = Pace(cost=self.pace.cost, pacer=self.pace.pacer, expected=frozenset(replicas_seen))

    def rows_wished(self, stripe: int) -> int:
        """Return the rows that the next batch would have if it were admitted now."""
        return throttle.rows_wished(self.job.throttle, self.job.batch, self.pace, stripe)

    async def admit(self, session: Session, stripe: int) -> Run:
        """Wait until a batch may go; return how."""
        self.waited_s, self.waited_for = 0.0, None
        while True:
            signals = await session.read_signals()
            decision, self.pace = throttle.decide(self.job.throttle, self.job.batch, self.pace, signals, stripe)
            self._tell(signals)
            await self._save(session, decision.reason if isinstance(decision, Wait) else None)
            if not isinstance(decision, Wait):
                return decision
            self.around.record(Waited(self.job.name, decision.reason, decision.delay_s))
            self.waited_s, self.waited_for = self.waited_s + decision.delay_s, decision.reason
            await self.around.sleep(decision.delay_s)

    async def look(self, session: Session) -> None:
        """Read the signals where no batch follows, so that metrics and the LSN clock stay fresh."""
        if self.around.now_s() - self._measured_s >= MEASURE_SPACING_S:
            signals = await session.read_signals()
            self.pace = throttle.observe(self.job.throttle, self.pace, signals)
            self._tell(signals)

    def learn(self, filled: Filled, stripe: int) -> None:
        """Learn what a batch cost."""
        self.pace = throttle.learn(
            self.pace, stripe=stripe, rows=filled.rows, wal_bytes=filled.wal_bytes, took_s=filled.took_s
        )
        self.pace = throttle.tick(self.pace, self.around.now_s(), filled.insert_lsn)

    def _tell(self, signals: Signals) -> None:
        flows = {one.name: one for one in self.pace.flows}
        worst_s = max((one.lag_s for one in self.pace.flows), default=0.0)
        self.worst_lag_s = max(self.worst_lag_s, worst_s)
        if not flows and not self.pace.expected and signals.visible and not self._unreplicated_told:
            self._unreplicated_told = True
            self.around.record(Unreplicated(self.job.name, self.job.throttle.max_wal_rate_bytes_s))
        if signals.at_s - self._measured_s < MEASURE_SPACING_S:
            return
        self._measured_s = signals.at_s
        clock, limits = self.pace.clock, self.job.throttle
        replicas = tuple(
            ReplicaReading(
                name=one.name,
                lag_s=None if one.replay_lsn is None else clock.lag_s(signals.at_s, one.replay_lsn),
                lag_bytes=None if one.replay_lsn is None else max(0, signals.insert_lsn - one.replay_lsn),
                counted=counted(limits, one.name),
            )
            for one in signals.replicas
        )
        measured = Measured(
            job=self.job.name,
            replicas=replicas,
            missing=tuple(sorted(self.pace.expected - {one.name for one in signals.replicas})),
            slots=tuple(SlotReading(one.name, one.retained_bytes, one.wal_status) for one in signals.slots),
            wal_rate_bytes_s=self.pace.wal_rate_bytes_s,
            own_wal_rate_bytes_s=self.pace.pacer.own_rate_bytes_s,
            wal_budget_bytes=self.pace.wal_budget_bytes,
            archive_backlog_bytes=signals.archiver.backlog_bytes if signals.archiver else None,
        )
        self.around.record(measured)

    async def _save(self, session: Session, reason: Reason | None) -> None:
        """Keep `status` fresh without a write a poll: at once for another kind, else each second, never when calm."""
        kind = None if reason is None or reason.kind in (Kind.WINDOW, Kind.WAL_RATE) else reason.kind
        wanted = (kind, self.pace.expected)
        now_s = self.around.now_s()
        if wanted == self._saved and (kind is None or now_s - self._saved_s < SAVE_SPACING_S):
            return
        self._saved, self._saved_s = wanted, now_s
        await session.save_wait(reason if kind else None, self.pace.expected)
