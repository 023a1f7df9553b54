"""The GRANTs of a job, for `backfill init --job`."""

from __future__ import annotations

from backfill.jobfile.load import JobFile
from backfill.postgres.catalog.job_rights import grants_of, read_job_rights
from backfill.postgres.catalog.table import missing, read_relation
from backfill.postgres.session.connection import connect
from backfill.values.errors import JobError


async def read_grants(dsn: str, job_file: JobFile, role: str) -> tuple[str, ...]:
    """Return the statements that give a role, which need not exist yet, what a job needs; nothing is changed."""
    async with await connect(dsn, application_name="backfill:init") as connection:
        for table, place in (
            (job_file.job.table, ("table",)),
            *(((job_file.job.using.table, ("using", "table")),) if job_file.job.using else ()),
        ):
            if await read_relation(connection, table) is None:
                raise JobError(f"{job_file.at(*place)}: {await missing(connection, table, 'rpvm')}")
        return grants_of(await read_job_rights(connection, job_file), role)


def script_of(grants: tuple[str, ...]) -> str:
    """Return them as a part of a script."""
    head = "-- What the job needs. A trigger's function that runs with the rights of its caller may need more."
    return "".join(f"{line}\n" for line in (head, *grants))
