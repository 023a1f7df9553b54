"""Vacuums of the table as it is filled: asks `core.vacuum`, lets the session act, tells what came of it."""

from __future__ import annotations

from contextlib import suppress

from backfill.engine.ports import LaneSession, Runtime
from backfill.events.vacuum import VacuumDone, VacuumNotPermitted, VacuumStarted
from backfill.jobfile.job import Job
from backfill.table.batch import BatchResult
from backfill.throttle.signals import Signals, VacuumResult
from backfill.throttle.state import ThrottleState
from backfill.throttle.wait_reason import WaitReason
from backfill.upkeep import vacuum
from backfill.upkeep.vacuum import VacuumHistory
from backfill.upkeep.vacuum_choice import StartVacuum, StopVacuum
from backfill.values.errors import DatabaseError


class VacuumSupervisor:
    """The vacuums of one run: their memory, and the telling."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self._memory = VacuumHistory()
        self._unable_told = False

    def begin(self, job: Job) -> None:
        """Start anew on a session or another leaf: one that ran beside the last one is over with it."""
        if (began_s := self._memory.running_s) is not None:
            self._done(job, VacuumResult(self.runtime.now_s() - began_s, stopped="the session ended"))
        self._memory = VacuumHistory(rest_until_s=self._memory.rest_until_s, vain=self._memory.vain)

    def learn(self, batch_result: BatchResult, spare_share: float) -> None:
        """Learn from a batch how many row versions left room on their page that nothing else fills."""
        moved = round((batch_result.rows - batch_result.rows_hot) * spare_share)
        self._memory = vacuum.after_batch(
            self._memory,
            self.runtime.now_s(),
            moved=moved,
            took_s=batch_result.took_s,
            insert_lsn=batch_result.insert_lsn,
            wal_bytes=batch_result.wal_bytes,
        )

    async def tend(
        self,
        session: LaneSession,
        job: Job,
        throttle_state: ThrottleState,
        signals: Signals,
        *,
        trouble: WaitReason | None,
        edge: bool,
    ) -> None:
        """Start a vacuum, end it or leave all as it is; `edge` is whether a window begins."""
        if job.vacuum == "off":
            return
        began_s = self._memory.running_s
        if signals.vacuumed is not None and began_s is not None and signals.at_s > began_s:  # not of the one before
            await self._end(session, job, signals.vacuumed)
        if signals.upkeep.vacuum_needs is not None and not self._unable_told:
            self._unable_told = True
            self.runtime.record(
                VacuumNotPermitted(job.name, vacuum.not_permitted(str(job.table), signals.upkeep.vacuum_needs))
            )
        calm = vacuum.throttle_view(job.throttle, throttle_state, signals, trouble, edge=edge)
        choice, self._memory = vacuum.choose(job.throttle, self._memory, signals.upkeep, calm, self.runtime.now_s())
        match choice:
            case StartVacuum(cost):
                await session.start_vacuum(cost)
                moved = self._memory.running_moved
                self.runtime.record(VacuumStarted(job.name, moved, cost.limit, cost.delay_ms))
            case StopVacuum(reason):
                await self.rest(session, job, reason)
            case _:
                pass

    async def rest(self, session: LaneSession, job: Job, why: str) -> None:
        """End the one that runs, if any, and tell it."""
        if self._memory.running_s is not None and (ended := await session.stop_vacuum(why)) is not None:
            with suppress(DatabaseError):  # the session itself may be what ended
                await self._end(session, job, ended)

    async def _end(self, session: LaneSession, job: Job, ended: VacuumResult) -> None:
        if self._done(job, ended):
            await session.save_vacuum(vacuum.summary(ended))

    def _done(self, job: Job, ended: VacuumResult) -> bool:
        """Learn and tell how the one that ran has ended; False where none ran."""
        if self._memory.running_s is None:
            return False
        self._memory = vacuum.after_vacuum(self._memory, ended, self.runtime.now_s())
        done = VacuumDone(
            job=job.name,
            result=ended.result,
            why=ended.stopped or ended.failed or "",
            took_s=ended.took_s,
            removed=ended.removed,
            held=ended.held,
            wal_bytes=ended.wal_bytes,
        )
        self.runtime.record(done)
        return True
