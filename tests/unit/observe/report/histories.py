"""Histories of jobs for the report: two replicas, a night's work, a lag over the budget, a pause."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import sin
from typing import Any

from backfill.events.history.job_history import EventRecord, HistoryPoint, JobHistory, ProofRecord, RequestRecord
from backfill.events.history.span import HistorySpan, WorstReading
from backfill.table.batch import Verification

BEGAN = datetime(2026, 11, 29, 10, 2, tzinfo=UTC)


def minute(number: int) -> HistorySpan:
    """Return a minute in which the second replica falls behind now and then, and the job waits for it."""
    late = number % 40 > 30
    rows = 4_000 if late else 90_000 + 20_000 * sin(number / 9)
    return HistorySpan(
        batches=3 if late else 60,
        rows=int(rows),
        rows_hot=int(rows * 0.85),
        wal_bytes=int(rows * 420),
        batch_rows_max=int(rows / 40),
        waits={"lag": 48.0, "window": 3.0} if late else {"window": 22.0, "wal_rate": 4.0, "rest": 1.0},
        signals={
            "replica_lag_s": {
                "replica-a": WorstReading(0.4 + 0.2 * sin(number / 5), 10.0),
                "replica-b": WorstReading(12.4 if late else 1.5, 10.0, unknown=number == 50),
            },
            "replica_lag_bytes": {"replica-a": WorstReading(1e6, 256e6)},
            "slot_retained_bytes": {"warehouse": WorstReading(1e9 + number * 1e7, 10e9)},
            "dead_tuples": {"": WorstReading(float(number * 900 % 40_000), None)},
        },
    )


def history(minutes: int = 180, **changed: Any) -> JobHistory:
    """Return the history of a job that is done; keywords override."""
    points = [HistoryPoint(BEGAN + timedelta(minutes=number), minute(number)) for number in range(minutes)]
    points = [point for place, point in enumerate(points) if not 100 <= place < 115]  # nobody worked
    end = BEGAN + timedelta(minutes=minutes)
    verified = Verification(rows_left=0, rows_unconverged=0, samples=(), took_s=41.0)
    kept = JobHistory(
        job="users-handle",
        table="public.users",
        state="done",
        reason="every row is filled",
        read_at=end + timedelta(days=3),
        created_at=BEGAN,
        updated_at=end,
        finished_at=end,
        rows_total=12_345_678,
        rows_unconverged=0,
        rows_rejected=0,
        wal_bytes=5_400_000_000,
        passes=2,
        pages=180_000,
        table_bytes=2_100_000_000,
        samples=(),
        rejected=(),
        finish=(),
        settings=(("table", "public.users"), ("set", '{"handle": "lower(username)"}'), ("max_lag_s", "10.0")),
        span_s=60,
        points=tuple(points),
        requests=(
            RequestRecord(
                at=BEGAN + timedelta(minutes=100),
                role="alice",
                client="alice on laptop",
                action="pause",
                until=BEGAN + timedelta(minutes=115),
                reason="deploy of the shop",
                limits=None,
            ),
        ),
        events=(
            *(
                EventRecord(BEGAN + timedelta(minutes=30 + step), "lag", f"replica-b lag {11 + step}.4s > 10s")
                for step in range(5)
            ),
            EventRecord(BEGAN + timedelta(minutes=90), "vacuumed", "done in 2.4s, 120,798 row versions removed"),
        ),
        proofs=(ProofRecord("public.users", end, verified),),
    )
    return replace(kept, **changed)
