"""Values of the core with sane defaults; keywords override."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from backfill.engine.ports import LaneSession
from backfill.jobfile.job import Job
from backfill.jobfile.limits import BatchLimits, ThrottleLimits
from backfill.table.batch import BatchRequest, Committed, RowsRefused, TooManyRows
from backfill.table.checkpoint import Checkpoint
from backfill.table.row_counts import BatchRange
from backfill.throttle.conditions.operator_request import OperatorRequest, RequestAction
from backfill.throttle.decision_values import Admission, Inputs
from backfill.throttle.signals import Archiver, Replica, ReplicationSlot, Signals

MB = 1024 * 1024


def job(**changed: Any) -> Job:
    return Job.model_validate(
        {"name": "users-handle", "table": "public.users", "set": {"handle": "username"}, "where": "handle IS NULL"}
        | changed
    )


def limits(**changed: Any) -> ThrottleLimits:
    return ThrottleLimits.model_validate(changed)


def batch(**changed: Any) -> BatchLimits:
    return BatchLimits.model_validate(changed)


def replica(name: str = "replica-a", replay_lsn: int | None = 0, state: str | None = "streaming") -> Replica:
    return Replica(name=name, state=state, replay_lsn=replay_lsn)


def slot(name: str = "slot-a", wal_status: str | None = "reserved", retained_bytes: int | None = 0) -> ReplicationSlot:
    return ReplicationSlot(name=name, wal_status=wal_status, retained_bytes=retained_bytes)


def archiver(backlog_bytes: int = 0, *, failing: bool = False) -> Archiver:
    return Archiver(backlog_bytes, failing)


def signals(at_s: float = 0.0, insert_lsn: int = 0, *replicas: Replica, **changed: Any) -> Signals:
    return Signals(
        **{
            "at_s": at_s,
            "insert_lsn": insert_lsn,
            "flush_lsn": insert_lsn,
            "visible": True,
            "replicas": replicas,
            **changed,
        }
    )


def request(action: RequestAction | str = "pause", number: int = 1, **changed: Any) -> OperatorRequest:
    return OperatorRequest(
        **{
            "number": number,
            "action": RequestAction(action),
            "role": "alice",
            "since": "2026-11-29 10:02 UTC",
            **changed,
        }
    )


NOTHING_SEEN = Inputs(
    replica=None,
    lag_s=None,
    on_the_way_bytes=None,
    window_bytes=None,
    rate_bytes_s=None,
    row_wal_bytes=500.0,
    wal_rate_bytes_s=None,
    own_wal_rate_bytes_s=0.0,
)


def admission(
    rows: int,
    *,
    waited_s: float = 0.0,
    waited_for: str | None = None,
    flush: bool = False,
    compression: str | None = None,
) -> Admission:
    inputs = replace(NOTHING_SEEN, compression=compression)
    return Admission(
        rows=rows,
        limited_by="max_rows",
        inputs=inputs,
        flush=flush,
        waited_s=waited_s,
        waited_for=waited_for,
        compression=compression,
    )


async def run_order(
    session: LaneSession, checkpoint: Checkpoint, batch_range: BatchRange, admitted: Admission
) -> Committed | TooManyRows:
    """Run one batch as a lane does that is alone: all WAL is its own, and a job's first batch is its trial.

    Raises what the server refused a row with.
    """
    before = (await session.read_signals()).insert_lsn
    request = BatchRequest(
        checkpoint=checkpoint, batch_range=batch_range, admission=admitted, trial=checkpoint.rows_total == 0
    )
    result = await session.run_batch(request, lambda position: position - before)
    if isinstance(result, RowsRefused):
        raise result.error
    return result
