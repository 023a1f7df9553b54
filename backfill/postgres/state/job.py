"""A job in the state schema: begun, what it waits for, how it ended, its events. Only its lock's holder writes them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

from psycopg import AsyncCursor
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from backfill.events.job import Finished
from backfill.jobfile.load import JobFile
from backfill.jobfile.spec import conduct_of, is_same, other_spec, spec_of
from backfill.postgres.session.connection import Connection, dict_rows, translated
from backfill.postgres.session.sql_files import statement
from backfill.postgres.state.request import Asked, insert_request, request_of
from backfill.postgres.state.stored_values import UnreadableValue, object_in, reading, value_of
from backfill.table.leaves import JobStart, Totals
from backfill.throttle.conditions.cancellation import refuse_cancelled
from backfill.throttle.conditions.operator_request import RequestAction
from backfill.throttle.conditions.seen_replicas import SeenReplica
from backfill.throttle.wait_reason import WaitReason
from backfill.values.errors import NeverStarted


async def begin_job(
    connection: Connection, job_file: JobFile, *, worker: str, restart: bool, again: bool = False
) -> JobStart:
    """Mark the job as running; return the replicas that earlier workers saw on this timeline, and what they did.

    A job that had ended begins again: none of its leaves counts as done, unless only rejected rows are tried
    `again`. Raises JobError when the job was started with another table, set, where, using or python, and Cancelled
    when a person has cancelled it, unless `restart`.
    """
    with reading(job_file.job.name, "job"):
        async with dict_rows(connection) as cursor:
            return await _begin(cursor, job_file, worker=worker, restart=restart, again=again)


async def _begin(
    cursor: AsyncCursor[DictRow], job_file: JobFile, *, worker: str, restart: bool, again: bool
) -> JobStart:
    job = job_file.job
    await cursor.execute(statement("state/read_job"), {"job": job.name})
    known = await cursor.fetchone()
    if again and not known:
        raise NeverStarted(f"job {job.name!r} was never started in this database; start it: backfill run JOB.yaml")
    if known and restart:
        await _forget(cursor, job.name)
    elif known and not is_same(object_in(known, "spec"), spec_of(job)):
        raise other_spec(job_file, known["spec"])
    elif known and not again and known["state"] in ("done", "unconverged"):
        await cursor.execute(statement("state/delete_proofs"), {"job": job.name})
    if known:
        await _settle_request(cursor, job.name, ended=restart or known["state"] in ("done", "unconverged"))
    await cursor.execute(statement("state/read_timeline"))
    server = await cursor.fetchone()
    assert server is not None, "a select without FROM has one row"
    values = {
        "job": job.name,
        "spec": Jsonb(spec_of(job)),
        "limits": Jsonb(conduct_of(job)),
        "system_identifier": server["system_identifier"],
        "timeline": server["timeline"],
        "worker": worker,
    }
    await cursor.execute(statement("state/save_job"), values)
    row = await cursor.fetchone()
    await cursor.execute(statement("state/read_job_totals"), {"job": job.name})
    done = await cursor.fetchone()
    assert done is not None, "an aggregate has one row"
    totals = Totals(done["rows_total"], done["rows_unconverged"], done["wal_bytes"])
    replicas = seen_in(row) if row else ()
    return JobStart(replicas_seen=replicas, done=totals, rows_rejected=done["rows_rejected"], is_new=known is None)


def seen_in(row: DictRow) -> tuple[SeenReplica, ...]:
    """Return the replicas that a job has seen."""
    stored = row["replicas_seen"]
    if not isinstance(stored, list):
        raise UnreadableValue("replicas_seen is not a list")
    return tuple(value_of(SeenReplica, replica, "replicas_seen") for replica in stored)


async def _forget(cursor: AsyncCursor[DictRow], job: str) -> None:
    """Start over: no checkpoint and no rejected row."""
    await cursor.execute(statement("state/delete_checkpoints"), {"job": job})
    await cursor.execute(statement("state/delete_rejected"), {"job": job, "leaf": None})


async def _settle_request(cursor: AsyncCursor[DictRow], job: str, *, ended: bool) -> None:
    """Keep to what was asked last; what was asked of a job that has `ended` meanwhile, or starts over, is over."""
    await cursor.execute(statement("state/delete_old_requests"), {"job": job})
    await cursor.execute(statement("monitor/read_request"), {"job": job})
    row = await cursor.fetchone()
    request = request_of(row) if row else None
    if not ended:
        refuse_cancelled(job, request)
    elif request is not None and request.stands:
        await insert_request(cursor, job, RequestAction.RESTART, Asked())


async def save_leaves(connection: Connection, job: str, leaves: int, pages: int) -> None:
    """Write how many tables there are to fill, where `status` finds it."""
    with translated(connection):
        await connection.execute(statement("state/save_leaves"), {"job": job, "leaves": leaves, "pages": pages})


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
        await connection.execute(statement("state/save_end"), values)


async def save_reason(
    connection: Connection, job: str, reason: WaitReason | None, replicas_seen: Iterable[SeenReplica]
) -> None:
    """Write what the job waits for, where `status` finds it, and the replicas that it will miss."""
    waits = {"waits_for": reason.kind.value, "reason": str(reason)} if reason else {"waits_for": None, "reason": None}
    values = {"job": job, **waits, "replicas_seen": Jsonb([asdict(replica) for replica in replicas_seen])}
    with translated(connection):
        await connection.execute(statement("state/save_reason"), values)


async def save_event(connection: Connection, job: str, kind: str, text: str) -> None:
    """Write one event into the job's ring."""
    with translated(connection):
        await connection.execute(statement("state/save_event"), {"job": job, "kind": kind, "text": text})
