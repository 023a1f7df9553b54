"""`backfill status`: all jobs of a database from its state schema and its sessions."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg.rows import dict_row

from backfill.change.finish_step import FinishStepRecord
from backfill.postgres.session.connection import Connection, connect, translated
from backfill.postgres.session.sql_files import statement
from backfill.postgres.state.checkpoint_columns import checkpoint_of
from backfill.postgres.state.request import read_standings, unknown_job
from backfill.postgres.state.required_rights import TO_LOOK, requires
from backfill.postgres.state.schema import has_state
from backfill.postgres.state.stored_values import (
    DATA_EXCEPTION,
    UnreadableOverrides,
    UnreadableValue,
    limits_in,
    reading,
    records_in,
    timed_in,
)
from backfill.request.next_step import next_step
from backfill.request.standing import ENDED, JobStanding
from backfill.table.checkpoint import Checkpoint
from backfill.table.estimate.rows_ahead import share_done
from backfill.table.estimate.time_left import TimeLeft, time_left_now
from backfill.table.leaves import LeafPlace
from backfill.values.errors import Halted, StatementRefused


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredJobStatus:
    """One job. `state` is `abandoned` for a job that says running while no worker is connected.

    It is `pausing`, `paused`, `cancelling` or `cancelled` for what a person has asked, and `request` says who, when and
    why. `next_step` is what a person can do about the state or the wait. `tuned` are the limits that differ from the
    job file, `tuned_until` the ends of those that have one.

    It is `unreadable` for a job whose rows were changed by hand, and `reason` says how.

    `vacuum` is how our last vacuum ended, None if there was none. `sync_trigger` is the trigger that fills rows that
    others write.
    `rejected` are a few of the rejected rows, with the server's words, the newest first.
    `eta` is how long it will still fill, None while that is unknown or it does not work.
    `leaf` is the table at work where there are several, the last one of a job that has ended.
    `finish` are the steps of `backfill finish` that began or are done.
    """

    job: str
    table: str = ""
    state: str
    reason: str | None = None
    waits_for: str | None = None
    next_step: str | None = None
    request: str | None = None
    tuned: dict[str, str] = field(default_factory=dict)
    tuned_until: dict[str, str] = field(default_factory=dict)
    worker: str | None = None
    pass_number: int = 0
    progress_ratio: float = 0.0
    rows_total: int = 0
    rows_unconverged: int = 0
    rows_s: float = 0.0
    eta: str | None = None
    eta_low_s: float | None = None
    eta_high_s: float | None = None
    wal_bytes: int = 0
    idle_s: float = 0.0
    samples: tuple[str, ...] = ()
    layouts: tuple[str, ...] = ()
    vacuum: str | None = None
    rows_rejected: int = 0
    rejected: tuple[str, ...] = ()
    leaf: str | None = None
    leaf_number: int = 1
    leaves: int = 1
    sync_trigger: str | None = None
    finish: tuple[str, ...] = ()


async def read_status(dsn: str, job: str | None) -> list[StoredJobStatus]:
    """Return the jobs of the database, or the one of that name; none if no worker ever ran.

    A job whose rows cannot be read is `unreadable`, and says why. Raises JobError for an unknown name, Halted if the
    role may not look.
    """
    async with await connect(dsn, application_name="backfill:status") as connection:
        with requires(connection, *TO_LOOK):
            known = await has_state(connection)
            statuses = await _read_all(connection, job) if known else []
            if job is not None and not statuses:
                raise await unknown_job(connection, job, known=known)
            return statuses


async def _read_all(connection: Connection, job: str | None) -> list[StoredJobStatus]:
    """Return the jobs together, or one by one if that fails: some of them cannot be read then."""
    try:
        return await _read(connection, job)
    except (StatementRefused, UnreadableValue) as error:
        if isinstance(error, StatementRefused) and error.sqlstate[:2] != DATA_EXCEPTION:
            raise
    names = await connection.execute(statement("state/read_names"), {"job": job})
    return [await _read_one(connection, name) for (name,) in await names.fetchall()]


async def _read_one(connection: Connection, job: str) -> StoredJobStatus:
    """Return one job, whatever its rows hold."""
    try:
        with reading(job, "job"):
            [status] = await _read(connection, job)
            return status
    except Halted as error:
        return StoredJobStatus(job=job, state="unreadable", reason=str(error))


async def _read(connection: Connection, job: str | None) -> list[StoredJobStatus]:
    with translated(connection):
        async with connection.cursor(row_factory=dict_row) as rows:
            await rows.execute(statement("state/read_status"), {"job": job})
            found = await rows.fetchall()
    standings = {standing.job: standing for standing in await read_standings(connection, job)}
    return [_status(row, standings[row["name"]]) for row in found if row["name"] in standings]


def _status(row: dict[str, Any], standing: JobStanding) -> StoredJobStatus:
    known = [(stored["done"], checkpoint_of(stored)) for stored in row["checkpoints"]]
    checkpoints = tuple(checkpoint for _, checkpoint in known)
    if not isinstance(row["table"], str):
        raise UnreadableValue("spec names no table")
    if not all(checkpoint.countable for checkpoint in checkpoints):
        raise UnreadableValue("a checkpoint has an epoch, a sequence or a count that is negative or beyond what fits")
    at_work = _at_work(known)
    leaf_place = _extent(row["leaves"], row["pages"], known, at_work)
    tuned, tuned_until = _tuned(row)
    left = _time_left(row["estimate"], standing=standing.state != "running" or all(lane.pass_done for lane in at_work))
    return StoredJobStatus(
        job=row["name"],
        table=row["table"],
        state=standing.state,
        reason=row["reason"],
        waits_for=row["waits_for"],
        next_step=next_step(row["name"], standing.state, row["waits_for"], row["rows_rejected"]),
        request=str(standing.standing) if standing.standing else None,
        tuned=tuned,
        tuned_until=tuned_until,
        worker=row["worker"] if row["connected"] else None,
        pass_number=max((checkpoint.pass_number for checkpoint in at_work), default=0),
        progress_ratio=1.0 if row["state"] in ENDED else _progress(leaf_place, checkpoints, at_work),
        rows_total=sum(checkpoint.rows_total for checkpoint in checkpoints),
        rows_unconverged=row["rows_unconverged"],
        rows_s=row["rows_s"],
        eta=str(left) if left else None,
        eta_low_s=left.low_s if left else None,
        eta_high_s=left.high_s if left else None,
        wal_bytes=sum(checkpoint.wal_bytes for checkpoint in checkpoints),
        idle_s=row["idle_s"] or 0.0,
        samples=tuple(filter(None, row["samples"])),
        layouts=tuple(
            checkpoint.layout.why for checkpoint in at_work if checkpoint.pass_number == 1 and checkpoint.layout.why
        ),
        leaf=at_work[0].leaf if at_work and leaf_place.count > 1 else None,
        leaf_number=leaf_place.number,
        leaves=leaf_place.count,
        vacuum=row["vacuum"],
        rows_rejected=row["rows_rejected"],
        rejected=tuple(row["rejected"]),
        sync_trigger=row["sync_trigger"],
        finish=tuple(
            f"{step} {record}" for step, record in sorted(records_in(FinishStepRecord, row, "finish").items())
        ),
    )


def _tuned(row: dict[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the changed limits and their ends; nothing if they cannot be read, which a worker reports."""
    now = datetime.fromisoformat(row["now"])
    try:
        timed = timed_in(row)
        ends = {name: f"{limit.until:%Y-%m-%d %H:%M} UTC" for name, limit in timed.items() if limit.until > now}
        return limits_in(row), ends
    except UnreadableOverrides:
        return {}, {}


def _progress(leaf_place: LeafPlace, checkpoints: tuple[Checkpoint, ...], at_work: tuple[Checkpoint, ...]) -> float:
    if not at_work:
        return 0.0
    share = share_done(sum(checkpoint.rows_total for checkpoint in checkpoints), at_work)
    return leaf_place.progress_ratio(at_work) if share is None else share


def _time_left(stored: Any, *, standing: bool) -> TimeLeft | None:
    """Return the estimate that the last batch left, if it still holds."""
    match stored:
        case {
            "low_s": float() | int() as low_s,
            "high_s": float() | int() as high_s,
            "age_s": float() | int() as age_s,
        }:
            estimate = TimeLeft(float(low_s), float(high_s))
            return time_left_now(estimate, float(age_s), standing=standing)
    return None


def _at_work(known: list[tuple[bool, Checkpoint]]) -> tuple[Checkpoint, ...]:
    """Return the places on the leaf that was written last, of those that are to do if there are any."""
    for leaf in [checkpoint.leaf for done, checkpoint in reversed(known) if not done] or [
        checkpoint.leaf for _, checkpoint in known[-1:]
    ]:
        return tuple(
            sorted(
                (checkpoint for _, checkpoint in known if checkpoint.leaf == leaf),
                key=lambda checkpoint: checkpoint.lane,
            )
        )
    return ()


def _extent(
    leaves: int, pages: int, known: list[tuple[bool, Checkpoint]], at_work: tuple[Checkpoint, ...]
) -> LeafPlace:
    """Return where the leaf at work lies among all, by what the checkpoints say of those that are done."""
    here = at_work[0].leaf if at_work else ""
    before = {checkpoint.leaf: checkpoint.end_page for done, checkpoint in known if done and checkpoint.leaf != here}
    ends = max((checkpoint.end_page for checkpoint in at_work), default=0)
    return LeafPlace(
        number=min(len(before) + 1, leaves),
        count=leaves,
        pages=ends,
        pages_before=sum(before.values()),
        pages_total=pages,
    )
