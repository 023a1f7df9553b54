"""What `backfill finish` has done of a job, and how the job stands for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from backfill.change.finish_step import FinishStepRecord
from backfill.jobfile.load import JobFile
from backfill.postgres.session.connection import Connection, dict_rows, translated
from backfill.postgres.session.sql_files import statement
from backfill.postgres.state.schema import has_state
from backfill.postgres.state.stored_values import object_in, reading, records_in

SYNC_TRIGGER = "sync_trigger removed"


@dataclass(frozen=True, slots=True)
class StoredFinish:
    """A job for `finish`: what it was started with, its state, and the steps by name."""

    spec: dict[str, Any]
    state: str
    steps: Mapping[str, FinishStepRecord]


async def read_finish(connection: Connection, job: str) -> StoredFinish | None:
    """Return how a job stands; None if it never ran here."""
    with reading(job, "job"):
        async with dict_rows(connection) as cursor:
            await cursor.execute(statement("state/read_finish"), {"job": job})
            row = await cursor.fetchone()
        if row is None:
            return None
        return StoredFinish(object_in(row, "spec"), row["state"], records_in(FinishStepRecord, row, "finish"))


async def without_removed_trigger(connection: Connection, job_file: JobFile) -> JobFile:
    """Return the job as it runs now: once `finish` has removed its trigger, `sync: trigger` is over."""
    if job_file.job.sync == "none" or not await has_state(connection):
        return job_file
    stored = await read_finish(connection, job_file.job.name)
    if stored is None or SYNC_TRIGGER not in stored.steps:
        return job_file
    return replace(job_file, job=job_file.job.model_copy(update={"sync": "none"}))


async def save_step(connection: Connection, job: str, step: str, what: str, *, done: bool) -> None:
    """Record that a step begins, or is done."""
    values = {"job": job, "step": step, "what": what, "done": done}
    with translated(connection):
        await connection.execute(statement("state/save_finish_step"), values)
