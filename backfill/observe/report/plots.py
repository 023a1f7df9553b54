"""What is drawn of a job: what it did to the replicas, what it wrote, how it worked and what it waited for."""

from __future__ import annotations

from collections.abc import Iterator

from backfill.observe.report.markup import Markup
from backfill.observe.report.plot import LINES_MAX, Axis, Format, Line, bar_plot, line_plot
from backfill.observe.report.timeline import Timeline, together
from backfill.values.units import format_duration, format_rate, format_size

REPLICAS_MAX = 12
SIGNALS_MAX = 8
DRAWN_BY_ITSELF = frozenset({"replica_lag_s", "replica_lag_bytes"})
WAITS_SHOWN = 7


def plots(times: Timeline) -> Iterator[Markup]:
    """Yield the figures of a job, the replicas first."""
    yield from _replicas(times)
    yield _wal(times)
    yield _rows(times)
    yield _batches(times)
    yield _waits(times)
    yield _hot(times)
    yield from _signals(times)


def number(value: float) -> str:
    """Return a number for people."""
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"


def _axis(times: Timeline, written: Format, top: float | None = None) -> Axis:
    return Axis(begin=times.pieces[0].at, end=times.end, written=written, top=top)


def _replicas(times: Timeline) -> Iterator[Markup]:
    for name in times.subjects("replica_lag_s")[:REPLICAS_MAX]:
        yield _against_limit(times, "replica_lag_s", name, f"Lag of {name}", format_duration)


def _against_limit(times: Timeline, measure: str, subject: str, title: str, written: Format) -> Markup:
    """Return a signal against its limit: the worst value of each piece of time."""
    found = times.worst(measure, subject)
    values = [worst.value if worst else None for worst in found]
    limits = [worst.limit if worst else None for worst in found]
    known = [value for value in values if value is not None]
    bounds = [limit for limit in limits if limit is not None]
    note = f"worst {written(max(known))}" if known else "never read"
    note += f", limit {written(bounds[-1])}" if bounds else ", no limit"
    lines = [Line(subject or measure, values)]
    lines += [Line(subject or measure, limits, limit=True)] if bounds else []
    return line_plot(title, note, _axis(times, written), lines, [bool(worst and worst.unknown) for worst in found])


def _wal(times: Timeline) -> Markup:
    total = sum(piece.span.wal_bytes for piece in times.pieces)
    rates = [piece.span.wal_bytes / times.piece_s for piece in times.pieces]
    return line_plot("WAL of the job", f"{format_size(total)} in all", _axis(times, format_rate), [Line("WAL", rates)])


def _rows(times: Timeline) -> Markup:
    total = sum(piece.span.rows for piece in times.pieces)
    rates = [piece.span.rows / times.piece_s for piece in times.pieces]
    axis = _axis(times, lambda value: f"{number(value)} rows/s")
    return line_plot("Rows", f"{total:,} in the time shown", axis, [Line("rows per second", rates)])


def _batches(times: Timeline) -> Markup:
    spans = [piece.span for piece in times.pieces]
    mean = [span.rows / span.batches if span.batches else None for span in spans]
    largest = [float(span.batch_rows_max) if span.batches else None for span in spans]
    axis = _axis(times, lambda value: f"{number(value)} rows")
    count = sum(span.batches for span in spans)
    return line_plot("Batch size", f"{count:,} batches", axis, [Line("mean", mean), Line("largest", largest)])


def _waits(times: Timeline) -> Markup:
    """Return the time waited, by reason: the longest ones by themselves, the others together."""
    total = together(piece.span for piece in times.pieces).waits
    kinds = sorted(total, key=lambda kind: total[kind], reverse=True)
    shown, others = kinds[:WAITS_SHOWN], kinds[WAITS_SHOWN:]
    stacks = [
        Line(
            f"{kind.replace('_', ' ')} {format_duration(total[kind])}",
            [piece.span.waits.get(kind, 0.0) / times.piece_s for piece in times.pieces],
        )
        for kind in shown
    ]
    if others:
        sums = [sum(piece.span.waits.get(kind, 0.0) for kind in others) / times.piece_s for piece in times.pieces]
        stacks.append(Line("others", sums))
    note = f"{format_duration(sum(total.values()))} in all, by reason" if total else "it waited for nothing"
    return bar_plot("Time waited", note, _axis(times, lambda share: f"{share:.0%} of the time", top=1.0), stacks)


def _hot(times: Timeline) -> Markup:
    spans = [piece.span for piece in times.pieces]
    rows, hot = sum(span.rows for span in spans), sum(span.rows_hot for span in spans)
    shares = [span.rows_hot / span.rows if span.rows else None for span in spans]
    note = f"{hot / rows:.0%} of {rows:,} updates stayed on their page" if rows else "no row was updated"
    return line_plot("HOT updates", note, _axis(times, lambda share: f"{share:.0%}", top=1.0), [Line("share", shares)])


def _signals(times: Timeline) -> Iterator[Markup]:
    """Yield the other signals that had a limit, and dead tuples, which are how the table grows."""
    measures = [measure for measure in times.limited if measure not in DRAWN_BY_ITSELF]
    measures += ["dead_tuples"] if times.subjects("dead_tuples") and "dead_tuples" not in measures else []
    drawn = [(measure, subject) for measure in measures for subject in times.subjects(measure)[:LINES_MAX]]
    for measure, subject in drawn[:SIGNALS_MAX]:
        words = measure.removesuffix("_bytes").removesuffix("_s").replace("_", " ")
        yield _against_limit(times, measure, subject, f"{words} {subject}".strip().capitalize(), _format_of(measure))


def _format_of(measure: str) -> Format:
    if measure.endswith("_bytes"):
        return format_size
    return format_duration if measure.endswith("_s") else number
