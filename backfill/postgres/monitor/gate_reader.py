"""What a gate reads, each question with a time limit: the primary and its jobs, and standbys that can be asked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from backfill.change.gate_values import GatedJob, GateReading, PrimaryPosition, ServerAnswer
from backfill.jobfile.limits import ThrottleLimits
from backfill.postgres.monitor.gated_jobs import StoredGatedJob, read_gated_jobs, read_stored_jobs
from backfill.postgres.monitor.read_signals import read_signals
from backfill.postgres.monitor.side_connection import SideConnection, replica_name
from backfill.postgres.session.connection import Connection, dict_rows, translated
from backfill.postgres.session.server import check_server, read_server
from backfill.postgres.session.sql_files import statement
from backfill.postgres.state.required_rights import TO_LOOK, requires
from backfill.postgres.state.schema import has_state
from backfill.throttle.conditions.seen_replicas import SeenReplica
from backfill.throttle.signals import Replica, Signals
from backfill.values.errors import BackfillError
from backfill.values.identifier import TableName


@dataclass(frozen=True, slots=True)
class GateColumn:
    """A column that servers have to have, and how it was written."""

    text: str
    table: TableName
    column: str


@dataclass(frozen=True, slots=True)
class GateStart:
    """What is known of the jobs when a gate begins: their limits, and the replicas they saw on this very server."""

    limits: dict[str, ThrottleLimits]
    seen: tuple[SeenReplica, ...]


@dataclass(frozen=True, slots=True)
class _Primary:
    position: PrimaryPosition
    signals: Signals
    jobs: tuple[GatedJob, ...]
    answer: ServerAnswer | None


class GateReader:
    """The connections of a gate, reopened when they are lost."""

    def __init__(self, dsn: str, jobs: Sequence[str], columns: Sequence[GateColumn]) -> None:
        self._primary = SideConnection(dsn, standby=False)
        self._standbys: tuple[SideConnection, ...] = ()
        self._jobs = tuple(jobs)
        self._columns = tuple(columns)
        self._aurora = False
        self._has_state = False

    async def start(self) -> GateStart:
        """Connect and check the server; return what its jobs know. Raises Halted for what a wait cannot fix."""
        return await self._primary.ask(self._start)

    def ask_directly(self, conninfos: Sequence[str]) -> None:
        """Ask these standbys, too, from the next reading on."""
        self._standbys = tuple(SideConnection(conninfo, standby=True) for conninfo in conninfos)

    async def read(self) -> GateReading:
        """Read all servers at once; what cannot be read is unknown, and says why."""
        primary, standbys = await asyncio.gather(
            self._read_primary(), asyncio.gather(*map(self._read_standby, self._standbys))
        )
        answers = tuple(answer for answer, _ in standbys)
        replicas = tuple(replica for _, found in standbys for replica in found)
        if isinstance(primary, str):
            return GateReading(at_s=time.monotonic(), standbys=answers, why=primary)
        present = {replica.name for replica in primary.signals.replicas}
        further = tuple(replica for replica in replicas if replica.name not in present)
        signals = replace(primary.signals, replicas=(*primary.signals.replicas, *further))
        return GateReading(
            at_s=signals.at_s,
            signals=signals,
            primary=primary.position,
            primary_answer=primary.answer,
            standbys=answers,
            jobs=primary.jobs,
        )

    async def close(self) -> None:
        """Close all connections."""
        for side in (self._primary, *self._standbys):
            await side.close()

    async def _start(self, connection: Connection) -> GateStart:
        server = await read_server(connection)
        check_server(server)
        self._aurora = server.aurora
        stored: dict[str, StoredGatedJob] = {}
        at = await _read_position(connection)
        if self._jobs:
            with requires(connection, *TO_LOOK):
                self._has_state = await has_state(connection)
                stored = await read_stored_jobs(connection, self._jobs) if self._has_state else {}
        seen = {replica.name: replica for job in stored.values() if job.at == at for replica in job.seen}
        return GateStart({name: job.limits for name, job in stored.items()}, tuple(seen.values()))

    async def _read_primary(self) -> _Primary | str:
        try:
            return await self._primary.ask(self._ask_primary)
        except BackfillError as error:
            return _first_line(error)

    async def _ask_primary(self, connection: Connection) -> _Primary:
        position = await _read_position(connection)
        signals = await read_signals(connection, aurora=self._aurora)
        answer = None
        if self._columns:
            missing = await _read_missing(connection, self._columns)
            answer = ServerAnswer(name="primary", timeline=position.timeline, missing_columns=missing)
        return _Primary(position, signals, await self._read_jobs(connection), answer)

    async def _read_jobs(self, connection: Connection) -> tuple[GatedJob, ...]:
        if not self._jobs:
            return ()
        try:
            self._has_state = self._has_state or await has_state(connection)
            if self._has_state:
                return await read_gated_jobs(connection, self._jobs)
        except BackfillError as error:
            return tuple(GatedJob(name=name, why=_first_line(error)) for name in self._jobs)
        return tuple(GatedJob(name=name) for name in self._jobs)

    async def _read_standby(self, side: SideConnection) -> tuple[ServerAnswer, tuple[Replica, ...]]:
        name = replica_name(side.dsn)
        try:
            replicas = await side.read_replicas()
            answer = await side.ask(lambda connection: self._ask_standby(connection, name))
        except BackfillError as error:
            why = _first_line(error)
            return ServerAnswer(name=name, why=why), (Replica(name=name, state=why, replay_lsn=None),)
        return answer, tuple(replicas)

    async def _ask_standby(self, connection: Connection, name: str) -> ServerAnswer:
        with translated(connection):
            cursor = await connection.execute(statement("monitor/read_standby_timeline"))
            row = await cursor.fetchone()
        missing = await _read_missing(connection, self._columns) if self._columns else ()
        return ServerAnswer(name=name, timeline=row[0] if row else None, missing_columns=missing)


async def _read_position(connection: Connection) -> PrimaryPosition:
    async with dict_rows(connection) as cursor:
        await cursor.execute(statement("state/read_timeline"))
        row = await cursor.fetchone()
    assert row is not None, "a select without FROM has one row"
    return PrimaryPosition(row["system_identifier"], row["timeline"])


async def _read_missing(connection: Connection, columns: tuple[GateColumn, ...]) -> tuple[str, ...]:
    parameters: dict[str, Any] = {
        "texts": [column.text for column in columns],
        "schemas": [column.table.schema for column in columns],
        "tables": [column.table.name for column in columns],
        "columns": [column.column for column in columns],
    }
    with translated(connection):
        cursor = await connection.execute(statement("monitor/read_columns"), parameters)
        row = await cursor.fetchone()
    assert row is not None, "an aggregate has one row"
    return tuple(row[0])


def _first_line(error: BackfillError) -> str:
    return next(iter(str(error).splitlines()), "no answer")
