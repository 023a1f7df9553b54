"""Vacuums of the table as it is filled: `backfill.upkeep` decides, the session acts, the result is recorded."""

from __future__ import annotations

from contextlib import suppress

from backfill.engine.ports import LaneSession, Runtime, StatusSession
from backfill.events.vacuum import VacuumDone, VacuumNotPermitted, VacuumStarted
from backfill.jobfile.job import Job
from backfill.table.batch import Committed
from backfill.throttle.signals import Signals, VacuumResult
from backfill.throttle.state import ThrottleState
from backfill.throttle.wait_reason import WaitReason
from backfill.upkeep import vacuum, vacuum_history
from backfill.upkeep.throttle_view import throttle_view
from backfill.upkeep.vacuum_choice import StartVacuum, StopVacuum
from backfill.upkeep.vacuum_history import VacuumHistory
from backfill.values.errors import DatabaseError


class VacuumSupervisor:
    """The vacuums of one run: their memory and their events."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self._memory = VacuumHistory()
        self._not_permitted_recorded = False

    def begin(self, job: Job) -> None:
        """Start over on another session or leaf: a vacuum that ran alongside the last one ended with it."""
        if (began_s := self._memory.running_s) is not None:
            self._done(job, VacuumResult(took_s=self.runtime.now_s() - began_s, stopped="the session ended"))
        self._memory = VacuumHistory(paused_until_s=self._memory.paused_until_s, fruitless=self._memory.fruitless)

    def on_committed(self, batch: Committed, unfilled_share: float) -> None:
        """Count the row versions of a batch that left room on their page which nothing else fills."""
        moved = round((batch.rows - batch.rows_hot) * unfilled_share)
        self._memory = vacuum_history.after_batch(
            self._memory,
            self.runtime.now_s(),
            moved=moved,
            took_s=batch.took_s,
            insert_lsn=batch.insert_lsn,
            wal_bytes=batch.wal_bytes,
        )

    async def update(
        self,
        session: LaneSession,
        job: Job,
        throttle_state: ThrottleState,
        signals: Signals,
        *,
        blocked_by: WaitReason | None,
        window_begins: bool,
    ) -> None:
        """Start a vacuum, end it or leave it as it is; `blocked_by` is why no batch may start now."""
        if job.vacuum == "off":
            return
        began_s = self._memory.running_s
        if signals.vacuumed is not None and began_s is not None and signals.at_s > began_s:  # not of the one before
            await self._end(session, job, signals.vacuumed)
        refusal = signals.upkeep.vacuum_refusal(str(job.table))
        if refusal is not None and not self._not_permitted_recorded:
            self._not_permitted_recorded = True
            self.runtime.record(VacuumNotPermitted(job.name, refusal))
        view = throttle_view(job.throttle, throttle_state, signals, blocked_by, window_begins=window_begins)
        choice, self._memory = vacuum.choose(job.throttle, self._memory, signals.upkeep, view, self.runtime.now_s())
        match choice:
            case StartVacuum(cost):
                await session.start_vacuum(cost)
                moved = self._memory.running_moved
                self.runtime.record(
                    VacuumStarted(job=job.name, moved=moved, cost_limit=cost.limit, cost_delay_ms=cost.delay_ms)
                )
            case StopVacuum(reason):
                await self.stop(session, job, reason)
            case _:
                pass

    async def stop(self, session: StatusSession, job: Job, why: str) -> None:
        """End the one that runs, if any, and record how it ended."""
        if self._memory.running_s is not None and (ended := await session.stop_vacuum(why)) is not None:
            with suppress(DatabaseError):  # the session itself may be what ended
                await self._end(session, job, ended)

    async def _end(self, session: StatusSession, job: Job, ended: VacuumResult) -> None:
        if self._done(job, ended):
            await session.save_vacuum(vacuum.summary(ended))

    def _done(self, job: Job, ended: VacuumResult) -> bool:
        """Record how the one that ran has ended; return False if none ran."""
        if self._memory.running_s is None:
            return False
        self._memory = vacuum_history.after_vacuum(self._memory, ended, self.runtime.now_s())
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
