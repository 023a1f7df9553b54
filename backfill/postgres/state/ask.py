"""`backfill pause`, `resume` and `cancel`: what is asked of jobs, decided and kept in one transaction."""

from __future__ import annotations

from dataclasses import dataclass

from backfill.postgres.session.connection import Connection, connect
from backfill.postgres.state.request import Asked, insert_request, keep_on_disk, read_standings, unknown_job
from backfill.postgres.state.required_rights import TO_ASK, requires
from backfill.postgres.state.schema import has_state
from backfill.postgres.state.stored_values import reading
from backfill.request.answer import concerns, is_recorded, sentence
from backfill.request.standing import JobStanding
from backfill.throttle.conditions.operator_request import RequestAction


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What became of a request for one job: its state now, and a sentence."""

    job: str
    state: str
    text: str


async def ask(dsn: str, job: str | None, action: RequestAction, asked: Asked) -> list[Answered]:
    """Ask something of a job, or of all jobs that it concerns; return what became of it.

    Raises JobError for an unknown job, or if it makes no sense for the one that is named; Halted if a right is missing.
    """
    async with await connect(dsn, application_name=f"backfill:{action}") as connection:
        with requires(connection, *TO_ASK), reading(job or "", "request"):
            known = await has_state(connection)
            async with connection.transaction():
                await keep_on_disk(connection)
                before = await read_standings(connection, job) if known else []
                if job is not None and not before:
                    raise await unknown_job(connection, job, known=known)
                return [
                    await _ask(connection, standing, action, asked)
                    for standing in before
                    if job is not None or concerns(standing, action, timed=asked.for_s is not None)
                ]


async def _ask(connection: Connection, before: JobStanding, action: RequestAction, asked: Asked) -> Answered:
    after = before
    explained = asked.reason is not None and action is not RequestAction.RESUME
    recorded = is_recorded(before, action, changes=asked.for_s is not None or explained)
    if recorded:
        await insert_request(connection, before.job, action, asked)
        [after] = await read_standings(connection, before.job)
    return Answered(job=before.job, state=after.state, text=sentence(before, after, action, recorded=recorded))
