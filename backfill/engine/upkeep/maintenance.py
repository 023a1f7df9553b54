"""What goes on alongside a run's batches: vacuums of the table, and compression of full-page images."""

from __future__ import annotations

from backfill.engine.ports import LaneSession, Runtime, StatusSession
from backfill.engine.upkeep.compression import CompressionSwitch
from backfill.engine.upkeep.vacuum import VacuumSupervisor
from backfill.jobfile.job import Job
from backfill.table.batch import Committed
from backfill.throttle.decision_values import Decision, Wait
from backfill.throttle.signals import Signals
from backfill.throttle.state import ThrottleState
from backfill.values.compression_support import ServerSupport


class Maintenance:
    """The upkeep of one run, over all its sessions and leaves; admission control reports each decision to it."""

    def __init__(self, job: Job, runtime: Runtime) -> None:
        self._vacuum = VacuumSupervisor(runtime)
        self._compression = CompressionSwitch(job, runtime.record)

    @property
    def compression(self) -> str | None:
        """How the next batch compresses its full-page images; None when it does not."""
        return self._compression.method

    def begin(self, job: Job, support: ServerSupport) -> None:
        """Go on with what the server of a new session offers."""
        self._compression.begin(support)
        self._vacuum.begin(job)

    def begin_leaf(self, job: Job) -> None:
        """Go on with another table."""
        self._vacuum.begin(job)

    async def stop(self, session: StatusSession, job: Job, why: str) -> None:
        """End the vacuum that runs, if any."""
        await self._vacuum.stop(session, job, why)

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
        """Start a vacuum, end it or leave it as it is."""
        blocked_by = decision.reason if isinstance(decision, Wait) else None
        await self._vacuum.update(
            session, job, throttle_state, signals, blocked_by=blocked_by, window_begins=window_begins
        )

    def after_admission(self, throttle_state: ThrottleState, limited_by: str, *, paced: bool) -> ThrottleState:
        """Decide whether the batches after the one that was admitted are compressed."""
        return self._compression.after_admission(throttle_state, limited_by, paced=paced)

    def on_committed(self, throttle_state: ThrottleState, batch: Committed, unfilled_share: float) -> ThrottleState:
        """Learn from a batch how much room it left behind, and whether it could be compressed."""
        self._vacuum.on_committed(batch, unfilled_share)
        return self._compression.on_refused(throttle_state) if batch.compression_refused else throttle_state
