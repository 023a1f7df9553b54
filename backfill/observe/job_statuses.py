"""All jobs of this process, by name: folds their events and answers `/status.json` and the probes."""

from __future__ import annotations

from dataclasses import asdict
from math import isfinite
from typing import Any

from backfill import __version__
from backfill.events.event import Event
from backfill.observe.status import Status, begin, fold
from backfill.throttle.reading import Reading
from backfill.values.redact import redact
from backfill.values.units import format_duration


class JobStatuses:
    """A reader of events that remembers the present state of each job."""

    def __init__(self) -> None:
        self.jobs: dict[str, Status] = {}

    def record(self, event: Event, at_s: float) -> None:
        """Fold the event into its job's state."""
        self.jobs[event.job] = fold(self.jobs.get(event.job) or begin(event.job, at_s), event, at_s)

    @property
    def ready(self) -> bool:
        """Whether the database answered once: some job has its lock, or knows who holds it."""
        return any(status.lock_held is not None for status in self.jobs.values())

    def silent(self, now_s: float, silence_max_s: float) -> str | None:
        """Return which unfinished job has told nothing for too long, or None.

        Nothing is told while a statement runs, hence at least twice the job's statement timeout. A waiting
        worker tells so. One that verifies is excused: its read takes what the table takes.
        """
        for status in self.jobs.values():
            silent_s = now_s - status.updated_s
            statement_s = status.begun.statement_timeout_s if status.begun else 0.0
            limit_s = max(silence_max_s, 2 * statement_s)
            if silent_s > limit_s and not status.ended and not status.verifying:
                told, limit = format_duration(silent_s), format_duration(limit_s)
                return f"{status.job} silent {told} > {limit}"
        return None

    def to_dict(self, now_s: float) -> dict[str, Any]:
        """Return what `/status.json` says: plain JSON values, ages instead of times, no password."""
        jobs = [_plain(describe(status, now_s)) for status in self.jobs.values()]
        return {"version": __version__, "jobs": jobs}


def describe(status: Status, now_s: float) -> dict[str, Any]:
    """Return one job's state; null is unknown."""
    begun, reading, error, vacuumed = status.begun, status.reading, status.error, status.vacuumed
    readings = reading.readings if reading else ()

    def value(measure: str) -> float | None:
        return next((one.value for one in readings if one.measure == measure), None)

    return {
        "job": status.job,
        "table": begun and begun.table,
        "leaf": status.leaf and status.leaf.leaf,
        "leaves": begun and max(begun.leaves, status.leaf.leaves if status.leaf else 1),
        "leaves_done": status.leaves_done,
        "state": status.state.value,
        "why": status.why,
        "pass": status.pass_number,
        "progress_ratio": status.progress_ratio,
        "eta_s": status.eta_s,
        "rows_total": status.rows_total,
        "rows_unconverged": status.rows_unconverged,
        "rows_rejected": status.rows_rejected,
        "failures_in_a_row": status.failures_in_a_row,
        "rows_s": status.rate.read(now_s) if not status.ended else 0.0,
        "batch_rows": status.batch_rows,
        "wal_compression": status.compression,
        "hot_update_ratio": status.hot_update_ratio,
        "lock_held": bool(status.lock_held),
        "wal_rate_bytes_s": reading and reading.wal_rate_bytes_s,
        "own_wal_rate_bytes_s": reading and reading.own_wal_rate_bytes_s,
        "wal_budget_bytes": reading and reading.wal_budget_bytes,
        "archive_backlog_bytes": value("archive_backlog_bytes"),
        "max_lag_s": begun and begun.max_lag_s,
        "max_lag_bytes": begun and begun.max_lag_bytes,
        "max_wal_rate_bytes_s": begun and begun.max_wal_rate_bytes_s,
        "replicas": [asdict(one) for one in reading.replicas] if reading else [],
        "missing": list(reading.missing) if reading else [],
        "readings": [asdict(one) for one in readings],
        "slots": _slots(readings),
        "archive_failing": bool(value("archive_failing")),
        "blocked_sessions": value("blocked_sessions"),
        "dead_tuples": value("dead_tuples"),
        "oldest_snapshot_s": value("oldest_snapshot_s"),
        "vacuuming": status.vacuum_supervisor,
        "last_vacuum": vacuumed
        and {
            "ago_s": now_s - status.vacuumed_s,
            **{key: value for key, value in asdict(vacuumed).items() if key != "job"},
        },
        "vacuum_unable": status.vacuum_unable,
        "probes": [
            {"name": one.subject, "value": one.value, "limit": one.limit} for one in readings if one.measure == "probe"
        ],
        "last_error": error
        and {
            "reason": error.reason,
            "message": error.message,
            "attempt": error.attempt,
            "ago_s": now_s - status.error_s,
        },
        "tuned": list(status.tuned),
        "decisions": [
            {"ago_s": now_s - at_s, **{key: value for key, value in asdict(one).items() if key != "job"}}
            for at_s, one in reversed(status.decisions)
        ],
        "started_ago_s": now_s - status.started_s,
        "updated_ago_s": now_s - status.updated_s,
    }


def _slots(readings: tuple[Reading, ...]) -> list[dict[str, Any]]:
    unconfirmed = {one.subject: one.value for one in readings if one.measure == "slot_lag_bytes"}
    return [
        {
            "name": one.subject,
            "retained_bytes": one.value,
            "wal_status": one.state or None,
            "unconfirmed_bytes": unconfirmed.get(one.subject),
        }
        for one in readings
        if one.measure == "slot_retained_bytes"
    ]


def _plain(value: Any) -> Any:
    match value:
        case str():
            return redact(value)
        case float():
            return round(value, 6) if isfinite(value) else None
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case list():
            return [_plain(item) for item in value]
        case _:
            return value
