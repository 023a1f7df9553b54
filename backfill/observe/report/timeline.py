"""The history of a job in as many pieces as a plot shows, and what of it is drawn."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from backfill.events.history.job_history import JobHistory
from backfill.events.history.span import HistorySpan, WorstReading

PIECES_MAX = 240


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of the time line: when it begins, and what happened in it."""

    at: datetime
    span: HistorySpan


@dataclass(frozen=True, slots=True)
class Timeline:
    """Pieces of equal length, those without any event included, so that a gap is seen as one."""

    piece_s: int
    pieces: tuple[Piece, ...]

    @property
    def end(self) -> datetime:
        """When the last piece ends."""
        return self.pieces[-1].at + timedelta(seconds=self.piece_s)

    def subjects(self, measure: str) -> tuple[str, ...]:
        """Return whom a measure was read of, in order."""
        return tuple(sorted({subject for piece in self.pieces for subject in piece.span.signals.get(measure, {})}))

    def worst(self, measure: str, subject: str) -> list[WorstReading | None]:
        """Return the worst reading of each piece; None if there was none."""
        return [piece.span.signals.get(measure, {}).get(subject) for piece in self.pieces]

    @property
    def limited(self) -> tuple[str, ...]:
        """The measures that had a limit."""
        return tuple(
            sorted(
                {
                    measure
                    for piece in self.pieces
                    for measure, subjects in piece.span.signals.items()
                    if any(worst.limit is not None for worst in subjects.values())
                }
            )
        )


def timeline(history: JobHistory) -> Timeline | None:
    """Return the job's history as pieces; None if nothing of it was kept."""
    if not history.points:
        return None
    first, last = history.points[0].at.timestamp(), history.points[-1].at.timestamp()
    count = int((last - first) // history.span_s) + 1
    piece_s = history.span_s * -(-count // PIECES_MAX)
    spans: dict[int, list[HistorySpan]] = {}
    for point in history.points:
        spans.setdefault(int((point.at.timestamp() - first) // piece_s), []).append(point.span)
    number = int((last - first) // piece_s) + 1
    return Timeline(
        piece_s,
        tuple(
            Piece(datetime.fromtimestamp(first + place * piece_s, UTC), together(spans.get(place, ())))
            for place in range(number)
        ),
    )


def together(spans: Iterable[HistorySpan]) -> HistorySpan:
    """Return several spans as one."""
    total = HistorySpan()
    for span in spans:
        waits = {kind: total.waits.get(kind, 0.0) + span.waits.get(kind, 0.0) for kind in {**total.waits, **span.waits}}
        total = replace(
            total,
            batches=total.batches + span.batches,
            rows=total.rows + span.rows,
            rows_hot=total.rows_hot + span.rows_hot,
            wal_bytes=total.wal_bytes + span.wal_bytes,
            batch_rows_max=max(total.batch_rows_max, span.batch_rows_max),
            waits=waits,
            signals=_worst(total, span),
        )
    return total


def _worst(total: HistorySpan, span: HistorySpan) -> dict[str, dict[str, WorstReading]]:
    found = {measure: dict(subjects) for measure, subjects in total.signals.items()}
    for measure, subjects in span.signals.items():
        of = found.setdefault(measure, {})
        for subject, worst in subjects.items():
            known = of.get(subject, WorstReading(None, worst.limit)).then(worst.value, worst.limit)
            of[subject] = replace(known, unknown=worst.unknown or (subject in of and of[subject].unknown))
    return found
