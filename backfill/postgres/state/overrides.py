"""`backfill tune`: limits of a started job, changed in the state schema, from where its worker takes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg import AsyncCursor
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb

from backfill.jobfile.job import Job
from backfill.jobfile.overrides import TimedLimit, limits_at, moments, shown_limits, with_overrides
from backfill.postgres.session.connection import connect
from backfill.postgres.session.sql_files import statement
from backfill.postgres.state.request import Asked, insert_request, keep_on_disk, unknown_job
from backfill.postgres.state.required_rights import TO_TUNE, requires
from backfill.postgres.state.schema import has_state
from backfill.postgres.state.stored_values import (
    UnreadableOverrides,
    UnreadableValue,
    limits_in,
    object_in,
    overrides_in,
    reading,
    timed_in,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredLimits:
    """Every limit of a job as text: in the file that it was started with, before and after this change.

    `until` has the end of those that have one, for people, and `then` what follows.
    """

    file: dict[str, str]
    before: dict[str, str]
    after: dict[str, str]
    until: dict[str, str]
    then: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Changes:
    """The changed limits of a job, without and with an end."""

    tuned: dict[str, str]
    timed: dict[str, TimedLimit]

    def at(self, job: Job, moment: datetime) -> Job:
        return with_overrides(job, limits_at(self.tuned, self.timed, moment))


async def tune(dsn: str, name: str, changes: Mapping[str, str], asked: Asked, *, reset: bool) -> StoredLimits:
    """Change limits of a job, or only return them if there are no changes; `reset` first discards all earlier ones.

    Raises JobError for a job that never started, and if the limits would not agree; Halted if a right is missing.
    """
    async with await connect(dsn, application_name="backfill:tune") as connection:
        with requires(connection, *TO_TUNE):
            async with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
                row = None
                if await has_state(connection):
                    await keep_on_disk(connection)
                    await cursor.execute(statement("state/read_limits"), {"job": name})
                    row = await cursor.fetchone()
                if row is None:
                    raise await unknown_job(connection, name)
                now = datetime.fromisoformat(row["now"])
                with reading(name, "job"):
                    job, before = _job_in(name, row), _stored(row, reset=reset)
                after = _after(_Changes({}, {}) if reset else before, changes, now, asked.for_s)
                for moment in moments(after.timed, now):
                    after.at(job, moment)
                if changes or reset:
                    await _save(cursor, name, after)
                    await insert_request(connection, name, "tune", asked, limits=changes)
    ends = {limit: timed for limit, timed in after.timed.items() if timed.until > now}
    later = shown_limits(with_overrides(job, after.tuned))
    return StoredLimits(
        file=shown_limits(job),
        before=shown_limits(before.at(job, now)),
        after=shown_limits(after.at(job, now)),
        until={limit: f"{timed.until:%Y-%m-%d %H:%M} UTC" for limit, timed in ends.items() if limit in later},
        then={limit: later[limit] for limit in ends if limit in later},
    )


def _after(before: _Changes, changes: Mapping[str, str], now: datetime, for_s: float | None) -> _Changes:
    """Return what holds with these changes; a change without an end replaces one of the same limit that has one."""
    timed = {limit: known for limit, known in before.timed.items() if known.until > now and limit not in changes}
    if for_s is None:
        return _Changes({**before.tuned, **changes}, timed)
    until = now + timedelta(seconds=for_s)
    return _Changes(before.tuned, {**timed, **{limit: TimedLimit(text, until) for limit, text in changes.items()}})


async def _save(cursor: AsyncCursor[DictRow], name: str, changes: _Changes) -> None:
    timed = {limit: {"value": known.value, "until": _iso(known.until)} for limit, known in changes.timed.items()}
    values = {"job": name, "tuned": Jsonb(changes.tuned), "tuned_until": Jsonb(timed)}
    await cursor.execute(statement("state/save_overrides"), values)


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def job_of(name: str, row: Mapping[str, Any]) -> Job:
    """Return a stored job under the limits that hold now; `row` is as read by read_limits."""
    with reading(name, "job"):
        return with_overrides(_job_in(name, row), limits_in(row))


def _job_in(name: str, row: Mapping[str, Any]) -> Job:
    """Return the job as its last worker took it over."""
    spec, limits = object_in(row, "spec"), object_in(row, "limits")
    try:
        return Job.model_validate({"name": name, **spec, **limits}, by_alias=True, by_name=False)
    except ValueError:
        raise UnreadableValue("spec and limits make no job") from None


def _stored(row: Mapping[str, Any], *, reset: bool) -> _Changes:
    """Return the limits that were changed before; of those that cannot be read a reset needs none."""
    try:
        return _Changes(overrides_in(row), timed_in(row))
    except UnreadableOverrides:
        if not reset:
            raise
        return _Changes({}, {})
