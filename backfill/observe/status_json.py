"""The state of one job as `/status.json` shows it: plain JSON values, ages instead of times, null for unknown."""

from __future__ import annotations

from dataclasses import asdict
from math import isfinite
from typing import Any

from backfill.observe.status import JobStatus
from backfill.throttle.reading import Reading
from backfill.values.redact import redact


def to_json(status: JobStatus, now_s: float) -> dict[str, Any]:
    """Return the state of one job, without passwords."""
    parts = _progress(status, now_s) | _limits(status) | _signals(status) | _upkeep(status, now_s)
    return {key: _plain(value) for key, value in (parts | _history(status, now_s)).items()}


def _progress(status: JobStatus, now_s: float) -> dict[str, Any]:
    begun, left = status.begun, status.time_left(now_s)
    return {
        "job": status.job,
        "table": begun and begun.table,
        "leaf": status.leaf and status.leaf.leaf,
        "leaves": begun and max(begun.leaves, status.leaf.leaves if status.leaf else 1),
        "leaves_done": status.leaves_done,
        "state": status.state.value,
        "why": status.why,
        "lock_held": bool(status.lock_held),
        "pass": status.pass_number,
        "progress_ratio": status.progress_ratio,
        "eta": left and str(left),
        "eta_low_s": left and left.low_s,
        "eta_high_s": left and left.high_s,
        "rows_total": status.rows_total,
        "rows_unconverged": status.rows_unconverged,
        "rows_rejected": status.rows_rejected,
        "failures_in_a_row": status.failures_in_a_row,
        "rows_s": status.rate.read(now_s) if not status.ended else 0.0,
        "batch_rows": status.batch_rows,
        "hot_update_ratio": status.hot_update_ratio,
    }


def _limits(status: JobStatus) -> dict[str, Any]:
    begun = status.begun
    return {
        "max_lag_s": begun and begun.max_lag_s,
        "max_lag_bytes": begun and begun.max_lag_bytes,
        "max_wal_rate_bytes_s": begun and begun.max_wal_rate_bytes_s,
        "tuned": list(status.tuned),
    }


def _signals(status: JobStatus) -> dict[str, Any]:
    signals = status.reading
    readings = signals.readings if signals else ()

    def value(measure: str) -> float | None:
        return next((reading.value for reading in readings if reading.measure == measure), None)

    return {
        "readings": [asdict(reading) for reading in readings],
        "wal_rate_bytes_s": signals and signals.wal_rate_bytes_s,
        "own_wal_rate_bytes_s": signals and signals.own_wal_rate_bytes_s,
        "wal_budget_bytes": signals and signals.wal_budget_bytes,
        "replicas": [asdict(replica) for replica in signals.replicas] if signals else [],
        "missing": list(signals.missing) if signals else [],
        "slots": _slots(readings),
        "archive_backlog_bytes": value("archive_backlog_bytes"),
        "archive_failing": bool(value("archive_failing")),
        "blocked_sessions": value("blocked_sessions"),
        "dead_tuples": value("dead_tuples"),
        "oldest_snapshot_s": value("oldest_snapshot_s"),
        "probes": [
            {"name": reading.subject, "value": reading.value, "limit": reading.limit}
            for reading in readings
            if reading.measure == "probe"
        ],
    }


def _slots(readings: tuple[Reading, ...]) -> list[dict[str, Any]]:
    unconfirmed = {reading.subject: reading.value for reading in readings if reading.measure == "slot_lag_bytes"}
    return [
        {
            "name": reading.subject,
            "retained_bytes": reading.value,
            "wal_status": reading.state or None,
            "unconfirmed_bytes": unconfirmed.get(reading.subject),
        }
        for reading in readings
        if reading.measure == "slot_retained_bytes"
    ]


def _upkeep(status: JobStatus, now_s: float) -> dict[str, Any]:
    return {
        "wal_compression": status.compression,
        "vacuuming": status.vacuuming,
        "last_vacuum": status.vacuumed and {"ago_s": now_s - status.vacuumed_s, **_without_job(status.vacuumed)},
        "vacuum_unable": status.vacuum_not_permitted,
    }


def _history(status: JobStatus, now_s: float) -> dict[str, Any]:
    error = status.error
    return {
        "last_error": error
        and {
            "reason": error.reason,
            "message": error.message,
            "attempt": error.attempt,
            "ago_s": now_s - status.error_s,
        },
        "decisions": [
            {"ago_s": now_s - at_s, **_without_job(decision)} for at_s, decision in reversed(status.decisions)
        ],
        "started_ago_s": now_s - status.started_s,
        "updated_ago_s": now_s - status.updated_s,
    }


def _without_job(event: Any) -> dict[str, Any]:
    return {key: value for key, value in asdict(event).items() if key != "job"}


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
