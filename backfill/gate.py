"""The gate before each batch: read the signals, decide, wait with a reason, tell what was measured and decided."""

from __future__ import annotations

from backfill.core import pace, sizing, throttle
from backfill.core.batch import Filled
from backfill.core.decision import Admission, Wait
from backfill.core.events import Unreplicated, Waited
from backfill.core.job import Job
from backfill.core.pace import Pace
from backfill.core.reason import Kind, Reason
from backfill.core.signals import Signals, located
from backfill.core.telling import decided, measured, retuned
from backfill.core.tuning import tuned
from backfill.errors import JobError
from backfill.ports import Session, Surroundings

MEASURE_SPACING_S = 0.1
SAVE_SPACING_S = 1.0


class Gate:
    """The throttle's memory of one run, and the waiting. `job` is the job under the limits that hold now."""

    def __init__(self, job: Job, around: Surroundings) -> None:
        self.job = job
        self.around = around
        self.pace = Pace()
        self.worst_lag_s = 0.0
        self._untuned = job
        self._tuned: tuple[tuple[str, str], ...] = ()
        self._measured_s = float("-inf")
        self._saved_s = float("-inf")
        self._saved: tuple[Kind | None, frozenset[str]] = (None, frozenset())
        self._unreplicated_told = False

    def begin(self, replicas_seen: tuple[str, ...]) -> None:
        """Start anew on a session: positions of another server mean nothing, what a batch costs still does."""
        self.pace = Pace(cost=self.pace.cost, pacer=self.pace.pacer, expected=frozenset(replicas_seen))
        self.job, self._tuned = self._untuned, ()

    def rows_wished(self, stripe: int) -> int:
        """Return the rows that the next batch would have if it were admitted now."""
        return sizing.rows_wished(self.job.throttle, self.job.batch, self.pace, stripe).rows

    async def admit(self, session: Session, stripe: int) -> Admission:
        """Wait until a batch may go; return how large it may be, and why."""
        waited_s, waited_for = 0.0, ""
        while True:
            signals = await self._read(session)
            decision, self.pace = throttle.decide(self.job.throttle, self.job.batch, self.pace, signals, stripe)
            self._tell(signals)
            told = decided(self.job, self.pace, decision, stripe)
            self.around.record(told)
            if not isinstance(decision, Wait):
                await self.save(session, None)
                return Admission(
                    decision.rows, told.limited_by, told.inputs, decision.flush, waited_s, waited_for or None
                )
            await self.save(session, decision.reason)
            self.around.record(Waited(self.job.name, decision.reason, decision.delay_s))
            waited_s, waited_for = waited_s + decision.delay_s, waited_for or str(decision.reason)
            await self.around.sleep(decision.delay_s)

    async def look(self, session: Session) -> None:
        """Read the signals where no batch follows, so that metrics and the LSN clock stay fresh."""
        if self.around.now_s() - self._measured_s >= MEASURE_SPACING_S:
            signals = await self._read(session)
            self.pace = throttle.observe(self.job.throttle, self.pace, signals)
            self._tell(signals)

    def learn(self, filled: Filled, stripe: int) -> None:
        """Learn what a batch cost, us and those who waited for its locks."""
        now_s = self.around.now_s()
        self.pace = pace.learn(
            self.pace, stripe=stripe, rows=filled.rows, wal_bytes=filled.wal_bytes, took_s=filled.took_s
        )
        self.pace = pace.tick(self.pace, now_s, filled.insert_lsn)
        self.pace = pace.give_way(self.job.throttle, self.pace, now_s, filled.blocked_sessions)

    async def save(self, session: Session, reason: Reason | None) -> None:
        """Keep `status` fresh without a write a poll: at once for another kind, else each second, never when calm."""
        kind = None if reason is None or reason.kind in (Kind.WINDOW, Kind.WAL_RATE) else reason.kind
        wanted = (kind, self.pace.expected)
        now_s = self.around.now_s()
        if wanted == self._saved and (kind is None or now_s - self._saved_s < SAVE_SPACING_S):
            return
        self._saved, self._saved_s = wanted, now_s
        await session.save_wait(reason if kind else None, self.pace.expected)

    async def _read(self, session: Session) -> Signals:
        """Read the signals, and let limits that were tuned hold at once."""
        signals = await session.read_signals()
        if signals.visible and signals.tuned != self._tuned:
            self._tuned = signals.tuned
            await self._retune(session, dict(signals.tuned))
        return located(signals, self.pace.clock)

    async def _retune(self, session: Session, changes: dict[str, str]) -> None:
        refused, before = None, self.job
        try:
            self.job = tuned(self._untuned, changes)
        except JobError as error:  # the file has changed since: one of its limits contradicts a tuned one
            self.job, refused = self._untuned, str(error)
        self.pace = pace.retuned(self.pace, before.throttle, self.job.throttle)
        await session.apply_limits(self.job)
        self.around.record(retuned(self.job, changes, refused))

    def _tell(self, signals: Signals) -> None:
        worst_s = max((one.lag_s for one in self.pace.flows), default=0.0)
        self.worst_lag_s = max(self.worst_lag_s, worst_s)
        alone = not self.pace.flows and not self.pace.expected
        if alone and signals.visible and not self._unreplicated_told:
            self._unreplicated_told = True
            self.around.record(Unreplicated(self.job.name, self.job.throttle.max_wal_rate_bytes_s))
        if signals.at_s - self._measured_s >= MEASURE_SPACING_S:
            self._measured_s = signals.at_s
            self.around.record(measured(self.job, self.pace, signals))
