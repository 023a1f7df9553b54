"""What all sessions of a job see of the server: the signals, and what changes slowly, read once a second for all."""

from __future__ import annotations

import time
from dataclasses import replace

from backfill.jobfile.job import Job
from backfill.postgres.monitor import read_signals
from backfill.postgres.monitor.pollers import Pollers
from backfill.postgres.session.connection import Connection
from backfill.postgres.work.vacuum import Vacuum
from backfill.throttle.lsn_clock import LsnClock
from backfill.throttle.signals import Signals, Upkeep

UPKEEP_EVERY_S = 1.0
"""Dead tuples, the oldest snapshot and vacuums change slowly, and reading them is dearer than the rest."""


class SignalReader:
    """The readings of one job, by whichever of its sessions asks."""

    def __init__(self, job: Job, pollers: Pollers, vacuum: Vacuum, *, aurora: bool) -> None:
        self.vacuum = vacuum
        self._job = job
        self._pollers = pollers
        self._aurora = aurora
        self._visible = True
        self._upkeep = Upkeep()
        self._upkeep_s = float("-inf")
        self._upkeep_oid = 0
        self._xids = LsnClock()

    async def read(self, connection: Connection, table_oid: int) -> Signals:
        """Read everything that our WAL can hurt."""
        if not self._visible:  # nothing but whether that is over, and what is asked of us
            signals = await read_signals.read_signals(connection, job=self._job.name)
            self._visible = signals.visible
            return replace(signals, visible=False, vacuumed=self.vacuum.tend())
        now_s = time.monotonic()
        due = now_s - self._upkeep_s >= UPKEEP_EVERY_S or table_oid != self._upkeep_oid
        oid = table_oid if due else None
        self._upkeep_oid = table_oid
        self._upkeep_s = now_s if oid is not None else self._upkeep_s
        signals = await read_signals.read_signals(
            connection,
            job=self._job.name,
            limits=self._job.throttle,
            table_oid=oid,
            aurora=self._aurora,
            vacuum_pid=self.vacuum.pid,
        )
        self._visible = signals.visible
        if oid is not None and signals.visible:
            self._upkeep = self._aged(signals.upkeep, now_s)
        return replace(
            signals,
            upkeep=self._upkeep,
            replicas=(*signals.replicas, *self._pollers.replicas()),
            probes=self._pollers.probes(),
            vacuumed=self.vacuum.tend(),
        )

    def _aged(self, upkeep: Upkeep, now_s: float) -> Upkeep:
        """Tell the age of a snapshot that the server knows by its xid alone: since when that xid is not the next."""
        if upkeep.next_xid is None:
            return upkeep
        self._xids = self._xids.tick(now_s, upkeep.next_xid)
        if upkeep.oldest_xids is None or upkeep.oldest_snapshot_s is not None:
            return upkeep
        return replace(upkeep, oldest_snapshot_s=self._xids.lag_s(now_s, upkeep.next_xid - upkeep.oldest_xids))
