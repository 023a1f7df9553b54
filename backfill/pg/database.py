"""A job on a database session: what the loop asks for, answered by the modules of this package."""

from __future__ import annotations

import time
from dataclasses import replace
from types import TracebackType
from typing import Self

from backfill.core.batch import Filled, Opened, Overfull, Verification
from backfill.core.decision import Admission
from backfill.core.events import Finished
from backfill.core.job import Job
from backfill.core.jobfile import JobFile
from backfill.core.reason import Reason
from backfill.core.scan import Scan, begin, begin_pass, restart
from backfill.core.scout import Cut, Scouted, make_grid
from backfill.core.signals import Signals, Upkeep
from backfill.core.table import Table, difference
from backfill.pg import batch, catalog, checkpoint, lock, probe, setup
from backfill.pg.asking import replica_name
from backfill.pg.beside import Beside
from backfill.pg.preflight import accept_sources, prepare
from backfill.pg.session import Connection, bound, connect, worker_name
from backfill.pg.statements import Statements
from backfill.pg.verify import read_verification

UPKEEP_EVERY_S = 1.0
"""Dead tuples, the oldest snapshot and vacuums change slowly, and reading them is dearer than the rest."""


class Database:
    """One session for one job. Use as an async context manager: it opens, checks, and at the end closes."""

    def __init__(self, dsn: str, job_file: JobFile, *, restart: bool = False) -> None:
        self.job_file = job_file
        self.job = job_file.job
        self._dsn = dsn
        self.restart = restart
        self._connection: Connection
        self._role = ""
        self._table: Table
        self._statements: Statements
        self._verifying = False
        self._aurora = False
        self._visible = True
        self._beside: Beside
        self._upkeep = Upkeep()
        self._upkeep_s = float("-inf")

    async def __aenter__(self) -> Self:
        """Connect and look: raises before anything is written where the server, the table or the job is wrong."""
        self._connection = await connect(self._dsn, application_name=worker_name(self.job.name), job=self.job)
        try:
            server = await setup.read_server(self._connection)
            setup.check_server(server)
            self._role, self._aurora = server.role, server.aurora
            await self._read_table()
            await accept_sources(self._connection, self.job_file)
            await setup.ensure_state(self._connection, server)
        except BaseException:
            await self._connection.close()
            raise
        self._beside = Beside(self._dsn, self.job)
        self._beside.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the session, and with it our locks."""
        await self._beside.close()
        await self._connection.close()

    async def interrupt(self) -> None:
        """Cancel the verification read if it runs now; a batch is left to end."""
        if self._verifying:
            await self.cancel()

    async def cancel(self) -> None:
        """Cancel the statement that runs now; its transaction is rolled back."""
        await self._connection.cancel_safe(timeout=5)

    async def try_lock(self) -> str | None:
        """Take the job's and the table's lock; return who holds one of them instead."""
        return await lock.try_lock(self._connection, self.job.name, str(self.job.table))

    async def open(self) -> Opened:
        """Claim the checkpoint, or write the first one. Only the lock's holder may call it."""
        await self._read_table()  # the wait for the lock may have been long
        connection, table = self._connection, self._table
        seen = await checkpoint.begin_job(connection, self.job, worker=worker_name(self.job.name), restart=self.restart)
        self.restart = False
        claimed = await checkpoint.claim(connection, self.job.name)
        why = None
        if claimed is None:
            scan = begin(table.pages, self.job.batch.stripes)
            scan = await checkpoint.create(connection, self.job.name, table, scan)
        else:
            scan = claimed.scan
            why = difference(claimed.identity, table.identity)
            if why is not None:
                scan = restart(scan, table.pages, self.job.batch.stripes)
                scan = await checkpoint.create(connection, self.job.name, table, scan)
        return Opened(
            scan=scan,
            pages=table.pages,
            rows_estimated=table.rows_estimated,
            resumed=claimed is not None,
            rewritten=why,
            replicas_seen=seen,
        )

    async def reopen(self, scan: Scan) -> tuple[Scan, str]:
        """Look at the table again and start the pass again on it."""
        before = self._table.identity
        await self._read_table()
        why = difference(before, self._table.identity) or "the table's file changed"
        fresh = restart(scan, self._table.pages, self.job.batch.stripes)
        return await checkpoint.create(self._connection, self.job.name, self._table, fresh), why

    async def new_pass(self, scan: Scan) -> Scan:
        """Return the next pass, to the table's present end."""
        await self._read_table()
        return await self.save_place(begin_pass(scan, self._table.pages))

    async def read_signals(self) -> Signals:
        """Read everything that our WAL can hurt."""
        if not self._visible:  # nothing but whether that is over
            signals = await probe.read_signals(self._connection)
            self._visible = signals.visible
            return replace(signals, visible=False)
        now_s = time.monotonic()
        oid = self._table.identity.oid if now_s - self._upkeep_s >= UPKEEP_EVERY_S else None
        signals = await probe.read_signals(self._connection, job=self.job.name, table_oid=oid, aurora=self._aurora)
        self._visible = signals.visible
        if oid is not None:
            self._upkeep, self._upkeep_s = signals.upkeep, now_s
        return replace(
            signals,
            upkeep=self._upkeep,
            replicas=(*signals.replicas, *self._beside.replicas()),
            probes=self._beside.probes(),
        )

    async def apply_limits(self, job: Job) -> None:
        """Keep another limit of rows from the next batch on, and other timeouts."""
        self.job = job
        await bound(self._connection, job)

    async def read_scout(self, scan: Scan, rows: int) -> Scouted:
        """Count matching rows from the scan's place on, in slices that hold at most `rows` line pointers."""
        grid = make_grid(scan, rows)
        counts = [[0] * scan.stripes for _ in grid.bounds]
        bounds = [str(bound) for bound in grid.bounds]
        found = await batch.read_scout(self._connection, self._statements, scan, bounds, str(grid.end))
        for index, stripe, rows_found in found:
            counts[index][stripe] = rows_found
        return Scouted(grid, scan.stripe, tuple(map(tuple, counts)))

    async def run_batch(self, scan: Scan, cut: Cut, admission: Admission) -> Filled | Overfull:
        """Run one batch and its checkpoint in one transaction."""
        order = batch.Order(scan, cut, admission)
        return await batch.run_batch(self._connection, self._statements, self.job, self._table, order)

    async def save_place(self, scan: Scan) -> Scan:
        """Move the checkpoint without a batch."""
        return await checkpoint.move(self._connection, self.job, scan)

    async def save_wait(self, reason: Reason | None, replicas_seen: frozenset[str]) -> None:
        """Tell `status` what the job waits for, and keep it among the events."""
        text = str(reason) if reason else None
        asked = frozenset(map(replica_name, self.job.throttle.replicas.direct))  # never out of view, only unknown
        await checkpoint.save_reason(self._connection, self.job.name, text, replicas_seen - asked)
        if reason is not None:
            await checkpoint.save_event(self._connection, self.job.name, reason.kind, str(reason))

    async def save_end(self, finished: Finished) -> None:
        """Write how this run ended."""
        await checkpoint.save_end(self._connection, finished)
        await checkpoint.save_event(self._connection, self.job.name, finished.state, finished.why)

    async def verify(self) -> Verification:
        """Read the whole table once, without a statement timeout."""
        self._verifying = True
        try:
            return await read_verification(self._connection, self._statements)
        finally:
            self._verifying = False

    async def _read_table(self) -> None:
        self._table = await catalog.read_table(self._connection, self.job_file, self._role)
        self._statements = await prepare(self._connection, self.job_file, self._table)
