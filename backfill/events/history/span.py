"""A span of a job's history: events summed up, so that a year of them fits into a few rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from backfill.events.batch import BatchDone
from backfill.events.event import Event
from backfill.events.throttle import SignalsRead, WaitStarted

SUBJECTS_MAX = 64
"""Subjects that are kept of a measure: a cluster has fewer replicas and slots."""


@dataclass(frozen=True, slots=True)
class WorstReading:
    """The greatest value of a signal in a span and its last limit; `unknown` if it could not be read once."""

    value: float | None
    limit: float | None
    unknown: bool = False

    def then(self, value: float | None, limit: float | None) -> WorstReading:
        """Return it after another reading."""
        if value is None:
            return WorstReading(self.value, limit, unknown=True)
        return WorstReading(value if self.value is None else max(self.value, value), limit, self.unknown)


@dataclass(frozen=True, slots=True, kw_only=True)
class HistorySpan:
    """What happened in a span: `waits` are seconds by kind, `signals` by measure and subject."""

    batches: int = 0
    rows: int = 0
    rows_hot: int = 0
    wal_bytes: int = 0
    batch_rows_max: int = 0
    waits: Mapping[str, float] = field(default_factory=dict)
    signals: Mapping[str, Mapping[str, WorstReading]] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """Whether nothing happened."""
        return not self.batches and not self.waits and not self.signals


def added(span: HistorySpan, event: Event) -> HistorySpan:
    """Return the span with one more event."""
    match event:
        case BatchDone():
            return replace(
                span,
                batches=span.batches + 1,
                rows=span.rows + event.rows,
                rows_hot=span.rows_hot + event.rows_hot,
                wal_bytes=span.wal_bytes + event.wal_bytes,
                batch_rows_max=max(span.batch_rows_max, event.rows),
            )
        case WaitStarted(reason=reason, delay_s=delay_s):
            kind = reason.kind.value
            return replace(span, waits={**span.waits, kind: span.waits.get(kind, 0.0) + delay_s})
        case SignalsRead():
            return replace(span, signals=_with_readings(span.signals, event))
        case _:
            return span


def _with_readings(
    signals: Mapping[str, Mapping[str, WorstReading]], event: SignalsRead
) -> dict[str, dict[str, WorstReading]]:
    """Return the worst readings with those of the event; a replica that is missing is one that cannot be read."""
    found = {measure: dict(subjects) for measure, subjects in signals.items()}
    for reading in event.readings:
        subjects = found.setdefault(reading.measure, {})
        known = subjects.get(reading.subject, WorstReading(None, reading.limit))
        if reading.subject in subjects or len(subjects) < SUBJECTS_MAX:
            subjects[reading.subject] = known.then(reading.value, reading.limit)
    for name in event.missing:
        subjects = found.setdefault("replica_lag_s", {})
        if name in subjects or len(subjects) < SUBJECTS_MAX:
            subjects[name] = replace(subjects.get(name, WorstReading(None, None)), unknown=True)
    return found
