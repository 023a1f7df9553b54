"""The connections of a job and what its sessions share: limits, readings, row functions, the wish to restart."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from backfill.events.history.span import HistorySpan
from backfill.jobfile.job import Job
from backfill.jobfile.load import JobFile
from backfill.postgres.history.save import save_span
from backfill.postgres.mapping.row_mapper import RowMapper
from backfill.postgres.monitor.read_signals import read_request, read_time
from backfill.postgres.monitor.side_connection import replica_name
from backfill.postgres.session.connection import Connection, bound, connect, translated, worker_name
from backfill.postgres.session.connection_limits import with_limit
from backfill.postgres.state import job as job_state
from backfill.postgres.work.signal_reader import SignalReader
from backfill.throttle.conditions.operator_request import OperatorRequest
from backfill.throttle.conditions.seen_replicas import SeenReplica
from backfill.throttle.signals import VacuumResult
from backfill.throttle.wait_reason import WaitReason
from backfill.values.errors import ConnectionLost


@dataclass(slots=True)
class SharedJob:
    """`job` is the job under the limits that hold now; `waited_for` the last reason among its events."""

    job: Job
    signals: SignalReader
    waited_for: WaitReason | None = None


class JobConnection:
    """One connection of a job, with the process of its row function; both outlive the leaves that are filled.

    `compression` is how the last batch's full-page images were to be compressed: what else we do goes by it.
    """

    def __init__(self, connection: Connection, job_file: JobFile) -> None:
        self.connection = connection
        self.job_file = job_file
        self.mapper = RowMapper(job_file) if job_file.job.python else None
        self.compression: str | None = None
        self._job = job_file.job

    async def follow_limits(self, job: Job) -> None:
        """Keep the timeouts of the job under other limits."""
        if job is not self._job:
            self._job = job
            if self.mapper:
                self.mapper.timeout_s = job.statement_timeout_s
            await bound(self.connection, job)

    async def cancel(self) -> None:
        """Cancel the statement that runs now; its transaction is rolled back. So is the job's function."""
        if self.mapper:
            self.mapper.kill()
        with translated():
            await self.connection.cancel_safe(timeout=5)

    async def close(self) -> None:
        """Close the connection, and end the process of the job's function."""
        if self.mapper:
            await self.mapper.close()
        await self.connection.close()


class RestartOnce:
    """The wish to start a job from the beginning: it holds until one session has begun the job."""

    def __init__(self, *, wanted: bool = False) -> None:
        self.wanted = wanted

    @contextmanager
    def take(self) -> Iterator[bool]:
        """Give the wish to whoever begins the job; it stays if that fails."""
        yield self.wanted
        self.wanted = False


class JobConnections:
    """All connections of one job: first the one that holds its locks, then one for each further lane."""

    def __init__(self, dsn: str, job_file: JobFile, first: JobConnection) -> None:
        self.dsn = dsn
        self.job_file = job_file
        self.first = first
        self._all = [first]

    async def at_least(self, count: int) -> tuple[JobConnection, ...]:
        """Return this many connections; opens those that are missing."""
        try:
            while len(self._all) < count:
                self._all.append(await open_connection(self.dsn, self.job_file))
        except ConnectionLost as error:
            raise await with_limit(self.first.connection, error) from error
        return tuple(self._all[:count])

    async def cancel(self) -> None:
        """Cancel the statement that runs now on each connection."""
        for connection in self._all:
            await connection.cancel()

    async def close(self) -> None:
        """Close all connections; the one that holds our locks is the last."""
        for connection in reversed(self._all):
            await connection.close()


async def open_connection(dsn: str, job_file: JobFile) -> JobConnection:
    """Connect for a lane of the job."""
    name = worker_name(job_file.job.name)
    return JobConnection(await connect(dsn, application_name=name, job=job_file.job), job_file)


class PgStatusSession:
    """What every session of a job can do: write what `status` shows, and end the VACUUM that runs alongside."""

    def __init__(self, connection: JobConnection, shared: SharedJob) -> None:
        self._own = connection
        self._shared = shared

    @property
    def connection(self) -> Connection:
        """The connection, for statements."""
        return self._own.connection

    @property
    def job(self) -> Job:
        """The job under the limits that hold now."""
        return self._shared.job

    async def save_wait(self, reason: WaitReason | None, replicas_seen: tuple[SeenReplica, ...]) -> None:
        """Save what the job waits for, also among the events."""
        asked = frozenset(map(replica_name, self.job.throttle.replicas.direct))  # never out of view, only unknown
        seen = [replica for replica in replicas_seen if replica.name not in asked]
        await job_state.save_reason(self.connection, self.job.name, reason, seen)
        if reason is not None and reason != self._shared.waited_for:
            await job_state.save_event(self.connection, self.job.name, reason.kind, str(reason))
        self._shared.waited_for = reason

    async def save_history(self, span: HistorySpan) -> None:
        """Add what happened in the last minute to the job's history."""
        await save_span(self.connection, self.job.name, span)

    async def read_request(self) -> OperatorRequest | None:
        """Read what a person asked of the job last."""
        return await read_request(self.connection, self.job.name)

    async def read_time(self) -> datetime:
        """Read the server's clock."""
        return await read_time(self.connection)

    async def stop_vacuum(self, why: str) -> VacuumResult | None:
        """End the VACUUM that runs."""
        return await self._shared.signals.vacuum.stop(why)

    async def save_vacuum(self, text: str) -> None:
        """Save how a VACUUM ended among the events."""
        await job_state.save_event(self.connection, self.job.name, "vacuumed", text)
