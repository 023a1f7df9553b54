"""`backfill tune`: limits of a started job, changed in the state schema, from where its worker takes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from backfill.jobfile.job import Job
from backfill.jobfile.overrides import shown_limits, with_overrides
from backfill.postgres.session.connection import connect
from backfill.postgres.session.sql_files import statement
from backfill.postgres.state.required_rights import TO_TUNE, requires
from backfill.postgres.state.schema import has_state
from backfill.postgres.state.status import unknown
from backfill.postgres.state.stored_values import (
    UnreadableOverrides,
    UnreadableValue,
    object_in,
    overrides_in,
    reading,
)


@dataclass(frozen=True, slots=True)
class StoredLimits:
    """Every limit of a job as text: in the file that it was started with, before and after this change."""

    file: dict[str, str]
    before: dict[str, str]
    after: dict[str, str]


async def tune(dsn: str, name: str, changes: Mapping[str, str], *, reset: bool) -> StoredLimits:
    """Change limits of a job, or only return them if there are no changes; `reset` first discards all earlier ones.

    Raises JobError for a job that never started, and where the limits would not agree; Halted where a right is missing.
    """
    async with await connect(dsn, application_name="backfill:tune") as connection:
        with requires(connection, *TO_TUNE):
            async with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
                row = None
                if await has_state(connection):
                    await cursor.execute(statement("state/read_limits"), {"job": name})
                    row = await cursor.fetchone()
                if row is None:
                    raise unknown(name)
                with reading(name, "job"):
                    job, stored = _job_in(name, row), _stored(row, reset=reset)
                tuned = {**({} if reset else stored), **changes}
                after = with_overrides(job, tuned)
                if changes or reset:
                    await cursor.execute(statement("state/save_overrides"), {"job": name, "tuned": Jsonb(tuned)})
    return StoredLimits(shown_limits(job), shown_limits(with_overrides(job, stored)), shown_limits(after))


def job_of(name: str, row: Mapping[str, Any]) -> Job:
    """Return a stored job under the limits that hold now; `row` has its spec, limits and tuned."""
    with reading(name, "job"):
        return with_overrides(_job_in(name, row), overrides_in(row))


def _job_in(name: str, row: Mapping[str, Any]) -> Job:
    """Return the job as its last worker took it over."""
    spec, limits = object_in(row, "spec"), object_in(row, "limits")
    try:
        return Job.model_validate({"name": name, **spec, **limits}, by_alias=True, by_name=False)
    except ValueError:
        raise UnreadableValue("spec and limits make no job") from None


def _stored(row: Mapping[str, Any], *, reset: bool) -> dict[str, str]:
    """Return the limits that were changed before; of those that cannot be read a reset needs none."""
    try:
        return overrides_in(row)
    except UnreadableOverrides:
        if not reset:
            raise
        return {}
