"""The checkpoint: claimed with a new epoch, moved compare-and-swap, never behind or ahead of the data.

A worker that lost its session may wake up later; its epoch is an old one then, so its batch changes nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

from psycopg import AsyncCursor
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb

from backfill.core.batch import Verification
from backfill.core.events import Finished
from backfill.core.job import Job
from backfill.core.leaf import Begun, Tally
from backfill.core.scan import Layout, Scan, Tid
from backfill.core.table import Identity, Table
from backfill.errors import JobError, Rewritten, Superseded
from backfill.pg.session import Connection, translated
from backfill.pg.sqlfile import statement


@asynccontextmanager
async def _transaction(connection: Connection) -> AsyncIterator[AsyncCursor[DictRow]]:
    with translated(connection):
        async with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
            yield cursor


@dataclass(frozen=True, slots=True)
class Claimed:
    """A checkpoint that is ours, and the physical table that its addresses belong to."""

    scan: Scan
    identity: Identity


def spec_of(job: Job) -> dict[str, Any]:
    """Return what decides which rows get which values: a started job may not change it. Limits may change."""
    spec = {
        "table": str(job.table),
        "set": {one.column: one.expression for one in job.assignments},
        "where": job.where,
    }
    more = {"using": job.using, "python": job.python}
    return spec | {
        key: one.model_dump(mode="json", by_alias=True, exclude_none=True) for key, one in more.items() if one
    }


def limits_of(job: Job) -> dict[str, Any]:
    """Return what a started job may change, as in its file; without conninfos, which may hold passwords."""
    spec = {"name", "table", "assignments", "where", "using", "python"}
    limits = job.model_dump(mode="json", by_alias=True, exclude=spec)
    del limits["throttle"]["probes"], limits["throttle"]["replicas"]["direct"]
    return limits


def changed(job: str, before: dict[str, Any], now: dict[str, Any]) -> str:
    """Return the sentence that shows what differs between a started job and its file."""
    differences = [
        f"{key} was {before.get(key)!r}, is {now.get(key)!r}"
        for key in dict.fromkeys([*now, *before])
        if before.get(key) != now.get(key)
    ]
    return (
        f"job {job!r} was started with another file: {'; '.join(differences)};"
        " give the job another name, or start it anew with --restart (rows that are filled stay filled)"
    )


async def begin_job(connection: Connection, job: Job, *, worker: str, restart: bool) -> Begun:
    """Mark the job as running; return the replicas that earlier workers saw on this timeline, and what they did.

    A job that had ended begins again: none of its leaves counts as done. Raises JobError when the job was started with
    another table, set, where, using or python, unless `restart`.
    """
    spec = spec_of(job)
    async with _transaction(connection) as cursor:
        await cursor.execute(statement("read_job"), {"job": job.name})
        known = await cursor.fetchone()
        if known and known["spec"] != spec:
            if not restart:
                raise JobError(changed(job.name, known["spec"], spec))
            await cursor.execute(statement("delete_scan"), {"job": job.name})
        elif known and restart:
            await cursor.execute(statement("delete_scan"), {"job": job.name})
        elif known and known["state"] in ("done", "unconverged"):
            await cursor.execute(statement("delete_proofs"), {"job": job.name})
        await cursor.execute(statement("read_timeline"))
        timeline = await cursor.fetchone()
        values = {
            "job": job.name,
            "spec": Jsonb(spec),
            "limits": Jsonb(limits_of(job)),
            "timeline": timeline["timeline"] if timeline else None,
            "worker": worker,
        }
        await cursor.execute(statement("save_job"), values)
        row = await cursor.fetchone()
        await cursor.execute(statement("read_done"), {"job": job.name})
        done = await cursor.fetchone()
    assert done is not None, "an aggregate has one row"
    tally = Tally(done["rows_total"], done["rows_unconverged"], done["wal_bytes"])
    return Begun(tuple(row["replicas_seen"]) if row else (), tally)


async def read_sequence(connection: Connection, job: str) -> int:
    """Return the number of the last batch of any leaf: those of a new one follow, so that the ring keeps the last."""
    async with _transaction(connection) as cursor:
        await cursor.execute(statement("read_done"), {"job": job})
        done = await cursor.fetchone()
    assert done is not None, "an aggregate has one row"
    return int(done["sequence"])


async def read_proofs(connection: Connection, job: str) -> dict[Identity, Verification]:
    """Return how the leaves ended that are done, by the file that was read."""
    async with _transaction(connection) as cursor:
        await cursor.execute(statement("read_proofs"), {"job": job})
        rows = await cursor.fetchall()
    return {
        Identity(row["oid"], row["filenode"], row["system_identifier"]): Verification(
            **row["proof"] | {"samples": tuple(row["proof"]["samples"])}
        )
        for row in rows
    }


async def save_proof(connection: Connection, job: str, leaf: str, epoch: int, proof: Verification) -> None:
    """Keep how a leaf ended; raises Superseded where another worker has claimed it."""
    values = {"job": job, "leaf": leaf, "epoch": epoch, "proof": Jsonb(asdict(proof))}
    async with _transaction(connection) as cursor:
        await cursor.execute(statement("save_proof"), values)
        if cursor.rowcount == 0:
            raise Superseded(f"job {job!r}: another worker has taken over the checkpoint")


async def save_leaves(connection: Connection, job: str, leaves: int, pages: int) -> None:
    """Write how many tables there are to fill, where `status` finds it."""
    with translated(connection):
        await connection.execute(statement("save_leaves"), {"job": job, "leaves": leaves, "pages": pages})


async def claim(connection: Connection, job: str, leaf: str) -> tuple[Claimed, ...]:
    """Take over the leaf's checkpoints with a new epoch, one for each lane; none where it has none yet."""
    async with _transaction(connection) as cursor:
        await cursor.execute(statement("claim_scans"), {"job": job, "leaf": leaf})
        rows = await cursor.fetchall()
    return tuple(sorted(map(_claimed, rows), key=lambda one: one.scan.lane))


def _claimed(row: DictRow) -> Claimed:
    identity = Identity(row.pop("table_oid"), row.pop("filenode"), row.pop("system_identifier"))
    return Claimed(scan_of(row), identity)


def scan_of(row: DictRow) -> Scan:
    """Return the scan that a row of `backfill.scan` holds."""
    place = Tid.parse(row.pop("next_tid"))
    layout = Layout(tuple(row.pop("sizes")), row.pop("window_pages"), row.pop("layout"))
    return Scan(next=place, layout=layout, **row)


async def create(connection: Connection, job: str, table: Table, scans: tuple[Scan, ...]) -> tuple[Scan, ...]:
    """Write a leaf's first checkpoints, or those that start again on a table that is another one now; return them.

    Checkpoints of lanes beyond these go. Raises Superseded where another worker has claimed one of them.
    """
    # Not 1: --restart removes the rows that would tell which epochs earlier workers had.
    epoch = max(scan.epoch for scan in scans) or 1 + secrets.randbits(40)
    fresh = tuple(replace(scan, epoch=epoch) for scan in scans)
    async with _transaction(connection) as cursor:
        lanes = {"job": job, "leaf": fresh[0].leaf, "epoch": epoch, "lanes": len(fresh)}
        await cursor.execute(statement("delete_lanes"), lanes)
        for scan in fresh:
            values = fields_of(scan) | {
                "job": job,
                "table_oid": table.identity.oid,
                "filenode": table.identity.filenode,
                "system_identifier": table.identity.system_identifier,
                "wal_bytes": scan.wal_bytes,
            }
            await cursor.execute(statement("create_scan"), values)
            if cursor.rowcount != 1:
                raise Superseded(f"job {job!r}: another worker has taken over the checkpoint")
    return fresh


def fields_of(scan: Scan) -> dict[str, Any]:
    """Return the columns of `backfill.scan` that a scan's place and counts are kept in."""
    return {
        "leaf": scan.leaf,
        "lane": scan.lane,
        "lanes": scan.lanes,
        "epoch": scan.epoch,
        "sequence": scan.sequence,
        "pass_number": scan.pass_number,
        "end_page": scan.end_page,
        "window_start": scan.window_start,
        "window_end": scan.window_end,
        "sizes": list(scan.layout.sizes),
        "window_pages": scan.layout.window_pages,
        "layout": scan.layout.why,
        "stripe": scan.stripe,
        "next_tid": str(scan.next),
        "rows_pass": scan.rows_pass,
        "rows_converged_pass": scan.rows_converged_pass,
        "rows_total": scan.rows_total,
        "rows_unconverged": scan.rows_unconverged,
    }


async def move(connection: Connection, job: str, scans: tuple[Scan, ...]) -> tuple[Scan, ...]:
    """Move checkpoints of a leaf where no batch does it; raises Superseded or Rewritten when one would not move."""
    moved: list[Scan] = []
    try:
        async with _transaction(connection) as cursor:
            for scan in scans:
                await cursor.execute(statement("save_scan"), fields_of(scan) | {"job": job, "wal_bytes": 0})
                moved.append(_moved(scan, await cursor.fetchone()))
    except _Fenced:
        raise await blame(connection, job, scans[len(moved)]) from None
    return tuple(moved)


def _moved(scan: Scan, row: DictRow | None) -> Scan:
    if row is None:
        raise _Fenced
    return replace(scan, sequence=scan.sequence + 1, wal_bytes=row["wal_bytes"])


class _Fenced(Exception):
    """Leaves the transaction block, which rolls back: one of the checkpoints is not ours any more."""


async def blame(connection: Connection, job: str, scan: Scan) -> Superseded | Rewritten:
    """Say why the checkpoint would not move: another worker's epoch or sequence, or another file."""
    with translated(connection):
        fence = {"job": job, "leaf": scan.leaf, "lane": scan.lane}
        cursor = await connection.execute(statement("read_fence"), fence)
        row = await cursor.fetchone()
    if row is None or row != (scan.epoch, scan.sequence):
        return Superseded(f"job {job!r}: another worker has moved the checkpoint; nothing of ours was changed")
    return Rewritten(f"table '{scan.leaf}' was rewritten; nothing of ours was changed")


async def save_end(connection: Connection, finished: Finished) -> None:
    """Write how this worker's run ended."""
    values = {
        "job": finished.job,
        "state": finished.state,
        "reason": finished.why,
        "rows_unconverged": finished.rows_unconverged,
        "samples": list(finished.samples),
    }
    with translated(connection):
        await connection.execute(statement("save_end"), values)


async def save_reason(connection: Connection, job: str, reason: str | None, replicas_seen: frozenset[str]) -> None:
    """Write what the job waits for, where `status` finds it, and the replicas that it will miss."""
    values = {"job": job, "reason": reason, "replicas_seen": sorted(replicas_seen)}
    with translated(connection):
        await connection.execute(statement("save_reason"), values)


async def save_event(connection: Connection, job: str, kind: str, text: str) -> None:
    """Write one event into the job's ring."""
    with translated(connection):
        await connection.execute(statement("save_event"), {"job": job, "kind": kind, "text": text})
