"""What a report says in words: the summary, what was decided, what people did, the verification and the settings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby

from backfill.events.history.job_history import EventRecord, JobHistory, ProofRecord, RequestRecord
from backfill.observe.report.markup import Child, Markup, element
from backfill.observe.report.timeline import Timeline, together
from backfill.values.units import format_duration, format_size

PAGE_BYTES = 8192
EVENTS_SHOWN = 120


def summary(history: JobHistory, times: Timeline | None) -> Markup:
    """Return the figures that a reader looks for first."""
    ended = history.finished_at or history.updated_at
    pairs: list[tuple[str, str]] = [
        ("State", history.state),
        ("Table", history.table),
        ("Rows filled", f"{history.rows_total:,}"),
        ("Rows that cannot converge", f"{history.rows_unconverged:,}"),
        ("Rejected rows", f"{history.rows_rejected:,}"),
        ("WAL written", format_size(history.wal_bytes)),
        ("Passes", f"{history.passes}"),
        ("Began", moment(history.created_at)),
        ("Ended" if history.finished_at else "Last activity", moment(ended)),
        ("From begin to end", format_duration((ended - history.created_at).total_seconds())),
        *_sizes(history),
    ]
    if times is not None:
        pairs.extend(_worst_lags(times))
    return element("dl", *(element("div", element("dt", name), element("dd", value)) for name, value in pairs))


def _sizes(history: JobHistory) -> Iterator[tuple[str, str]]:
    if history.pages:
        yield "Table when the run began", format_size(history.pages * PAGE_BYTES)
    if history.table_bytes is not None:
        yield "Table with indexes now", format_size(history.table_bytes)


def _worst_lags(times: Timeline) -> Iterator[tuple[str, str]]:
    worst = together(piece.span for piece in times.pieces).signals.get("replica_lag_s", {})
    for name, reading in sorted(worst.items()):
        lag = "never read" if reading.value is None else format_duration(reading.value)
        limit = "" if reading.limit is None else f" of {format_duration(reading.limit)}"
        yield f"Worst lag of {name}", f"{lag}{limit}{', unknown for a while' if reading.unknown else ''}"


def decisions(events: Sequence[EventRecord]) -> Markup:
    """Return what the job wrote down, equal neighbours together, the newest last."""
    rows: list[tuple[str, str, str]] = []
    for (kind, _), group in groupby(events, key=lambda event: (event.kind, _subject(event.text))):
        first, *more = group
        alike = f", and {len(more):,} more like it until {moment(more[-1].at)}" if more else ""
        rows.append((moment(first.at), kind.replace("_", " "), first.text + alike))
    if not rows:
        return element("p", "Nothing was written down.")
    return _table(("at", "kind", "what"), rows[-EVENTS_SHOWN:])


def _subject(text: str) -> str:
    """Return a reason without its figures, by which equal ones are known: `replica-a lag 12.4s > 10s`."""
    return " ".join(word for word in text.split() if not word[:1].isdigit())


def requests(asked: Sequence[RequestRecord]) -> Markup:
    """Return what people did."""
    if not asked:
        return element("p", "Nobody paused, resumed, cancelled or tuned it.")
    rows = [
        (
            moment(request.at),
            request.action + (f" until {moment(request.until)}" if request.until else ""),
            request.role + (f" ({request.client})" if request.client else ""),
            ", ".join(filter(None, (request.reason, request.limits))),
        )
        for request in asked
    ]
    return _table(("at", "what", "who", "why, and which limits"), rows)


def verification(proofs: Sequence[ProofRecord]) -> Markup:
    """Return how each table was proven."""
    if not proofs:
        return element("p", "No table of the job was begun.")
    rows = []
    for record in proofs:
        proof = record.proof
        if proof is None or record.at is None:
            rows.append((record.leaf, "not verified yet", "", ""))
            continue
        left = "no row is left" if not proof.rows_left else f"{proof.rows_left:,} rows match still"
        rows.append((record.leaf, left, format_duration(proof.took_s), moment(record.at)))
    return _table(("table", "the read of the whole table", "took", "at"), rows)


def rows_left(history: JobHistory) -> Iterator[Markup]:
    """Yield examples of rows that were not filled."""
    for title, rows in (("Rows that cannot converge", history.samples), ("Rejected rows", history.rejected)):
        if rows:
            yield element("h3", title)
            yield element("ul", *(element("li", row) for row in rows), class_="rows")


def settings(pairs: Iterable[tuple[str, str]]) -> Markup:
    """Return the job's settings."""
    return _table(("setting", "value"), [(name, element("code", value)) for name, value in pairs])


def moment(at: datetime) -> str:
    """Return a time as it is written everywhere in a report."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _table(titles: Sequence[str], rows: Sequence[Sequence[Child]]) -> Markup:
    head = element("thead", element("tr", *(element("th", title) for title in titles)))
    body = element("tbody", *(element("tr", *(element("td", cell) for cell in row)) for row in rows))
    return element("div", element("table", head, body), class_="wide")
