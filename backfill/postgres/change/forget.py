"""`backfill forget` of a job that has a trigger: the trigger goes first, so that none is left that no job knows."""

from __future__ import annotations

import anyio

from backfill.postgres.change.polite_lock import Report
from backfill.postgres.change.sync_trigger import remove_sync_trigger
from backfill.postgres.monitor.side_connection import side_connection
from backfill.postgres.session.connection import INSUFFICIENT_PRIVILEGE, connect
from backfill.postgres.state.locks import job_holder
from backfill.postgres.state.removal import forget_job
from backfill.postgres.state.required_rights import TO_FORGET, requires
from backfill.postgres.state.schema import has_state
from backfill.values.errors import Halted, StatementRefused


async def forget_with_trigger(dsn: str, job: str, report: Report) -> None:
    """Remove a job's trigger if it has one, and then all that is kept of the job; raises as `forget_job`.

    Raises Halted if the role may not drop the trigger; then nothing was forgotten.
    """
    async with await connect(dsn, application_name="backfill:forget") as connection:
        with requires(connection, *TO_FORGET):
            left_alone = not await has_state(connection) or await job_holder(connection, job) is not None
        if not left_alone:
            try:
                async with side_connection(dsn) as side:
                    await remove_sync_trigger(connection, job, side=side, report=report, sleep=anyio.sleep)
            except StatementRefused as error:
                if error.sqlstate != INSUFFICIENT_PRIVILEGE:
                    raise
                said = str(error).partition("\n")[0]
                raise Halted(
                    f"the trigger of job {job!r} cannot be dropped: {said}; run this as the role that runs the job"
                ) from None
    await forget_job(dsn, job)
