"""What is worth a line of its own: one sentence for each notable event, none for the ordinary.

News with the same key is the same story told again: a reader counts it instead of repeating it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from backfill.core import events
from backfill.core.events import Event
from backfill.core.reason import PACE, Kind
from backfill.core.units import format_duration, format_rate

LOCK_WAIT_TOLD_S = 1.0
BLINDING = frozenset({Kind.MISSING, Kind.BLIND, Kind.CONNECTION})
"""Waits because something cannot be seen: the worst kind."""
TOLD_ELSEWHERE = frozenset({Kind.RETRY, Kind.LOCK})
"""Waits that have an event of their own."""


class Tone(StrEnum):
    """How a sentence is meant; the value is rich's style."""

    CALM = "default"
    GOOD = "green"
    WARN = "yellow"
    BAD = "red"


TONES = {"done": Tone.GOOD, "unconverged": Tone.WARN, "stopped": Tone.WARN}
"""Final states that are no failure."""


@dataclass(frozen=True, slots=True)
class News:
    """One sentence; `key` is None where each telling is a story of its own."""

    text: str
    tone: Tone = Tone.CALM
    key: str | None = None


def tell(event: Event) -> News | None:
    """Return what a person should read about this event; None when nothing is notable."""
    match event:
        case events.Tuned():
            return _tuned(event)
        case events.VacuumStarted() | events.VacuumDone() | events.VacuumUnable():
            return _vacuum(event)
        case events.LeafStarted():
            return News(f"{leaf_words(event)}, {event.pages:,} pages", key="leaf")
        case events.LeafGone():
            return News(f"{event.why}; the others go on", Tone.WARN)
        case events.Compressing():
            return _compressing(event)
        case _:
            return _work(event) or _refused(event) or _trouble(event)


def tell_wait(event: events.Waited | events.LockWaiting) -> News | None:
    """Return the news that a wait begins; None for the ordinary pace and for what has its own event."""
    if isinstance(event, events.LockWaiting):
        return News(f"waiting for the lock, held by {event.holder}", Tone.WARN)
    if event.reason.kind in PACE or event.reason.kind in TOLD_ELSEWHERE:
        return None
    return News(f"waiting: {event.reason.text}", wait_tone(event.reason.kind), f"wait {event.reason.kind}")


def wait_tone(kind: Kind) -> Tone:
    """Return how a wait of this kind is meant."""
    if kind in PACE:
        return Tone.CALM
    return Tone.BAD if kind in BLINDING else Tone.WARN


def moment(elapsed_s: float) -> str:
    """Return `8.0s` or `1m03s`: always of one form within the first minute, so that a column aligns."""
    return f"{elapsed_s:.1f}s" if elapsed_s < 59.95 else format_duration(round(elapsed_s))


def count_rows(rows: int) -> str:
    """Return `1 row` or `126,000 rows`."""
    return f"{rows:,} row" + ("" if rows == 1 else "s")


def leaf_words(event: events.LeafStarted) -> str:
    """Return `leaf 3 of 12: public.events_2024`."""
    return f"leaf {event.number:,} of {event.leaves:,}: {event.leaf}"


def percent(ratio: float) -> str:
    """Return `42.1%`, rounded down: 100 % is said only when nothing is left."""
    return f"{int(ratio * 1000 + 1e-6) / 10:.1f}%"


def _tuned(event: events.Tuned) -> News:
    if event.refused:
        return News(f"tuned limits do not hold: {event.refused}", Tone.WARN)
    return News(f"tuned: {', '.join(event.changes) or 'as in the job file'}")


def _vacuum(event: events.VacuumStarted | events.VacuumDone | events.VacuumUnable) -> News:
    match event:
        case events.VacuumStarted():
            return News(f"vacuum started: {count_rows(event.moved)} moved", key="vacuum started")
        case events.VacuumDone(result="done"):
            held = f", {event.held:,} held by older snapshots" if event.held else ""
            removed = "" if event.removed is None else f", {event.removed:,} old versions removed"
            return News(f"vacuum done in {format_duration(event.took_s)}{removed}{held}", key="vacuum done")
        case events.VacuumDone():
            text = f"vacuum {event.result} after {format_duration(event.took_s)}: {event.why}"
            return News(text, Tone.WARN, f"vacuum {event.result}")
        case events.VacuumUnable():
            return News(event.why, Tone.WARN)


def _compressing(event: events.Compressing) -> News:
    how = f"compressed by {event.method}" if event.method else "not compressed"
    return News(f"full-page images {how}: {event.why}", key="compression")


def _verified(event: events.Verified) -> News:
    took = format_duration(event.took_s)
    if event.rows_left == 0:
        return News(f"verified in {took}: no row is left to do", Tone.GOOD)
    cannot = f", {event.rows_unconverged:,} of them cannot converge" if event.rows_unconverged else ""
    if event.rows_unconverged == event.rows_left:
        cannot = " and cannot converge"
    if event.rows_without_partner:
        cannot += f", {event.rows_without_partner:,} have no partner"
    if event.rows_rejected:
        cannot += f", {event.rows_rejected:,} are refused by the server"
    return News(f"verified in {took}: {count_rows(event.rows_left)} still match{cannot}", Tone.WARN)


def _work(event: Event) -> News | None:
    match event:
        case events.Started():
            leaves = f" in {event.leaves:,} tables" if event.leaves > 1 else ""
            began = f"{event.job} started on {event.table}, {event.pages:,} pages{leaves}"
            at = f"resumed at {percent(event.progress_ratio)} of pass {event.pass_number}"
            return News(at if event.resumed else began)
        case events.LaidOut():
            return News(f"layout: {event.why}", key=f"layout {event.lane}")
        case events.PassDone():
            result = f"done: {count_rows(event.rows)}" if event.rows else "found nothing to do"
            return News(f"pass {event.pass_number} {result}")
        case events.Verified():
            return _verified(event)
        case events.Finished():
            return News(f"{event.state}: {event.why}", TONES.get(event.state, Tone.BAD))
        case _:
            return None


def _trouble(event: Event) -> News | None:
    match event:
        case events.LockTaken() if event.waited_s >= LOCK_WAIT_TOLD_S:
            return News(f"lock taken after {format_duration(event.waited_s)}")
        case events.Unreplicated():
            rate = format_rate(event.max_wal_rate_bytes_s)
            return News(f"no replica in view: max_wal_rate {rate} alone sets the pace", Tone.WARN)
        case events.Retried():
            why = f"{event.reason}: {_first_line(event.message)}"
            text = f"retry {event.attempt} in {format_duration(event.delay_s)}, {why}"
            return News(text, Tone.WARN, f"retry {event.reason}")
        case events.TableRewritten():
            return News(f"table rewritten, the pass starts again: {event.why}", Tone.WARN)
        case events.Stopping():
            return News(f"{event.signal}: the batch in flight ends, then the worker", Tone.WARN)
        case _:
            return None


def _refused(event: Event) -> News | None:
    match event:
        case events.BatchRefused() if event.rows == event.rows_searched:  # the search begins; its steps are many
            text = f"{count_rows(event.rows)} refused together, {event.reason}: {_first_line(event.message)}"
            return News(text, Tone.WARN, "refused")
        case events.RowRejected():
            text = f"row {event.key} is set aside, {event.rows_rejected:,} are: {_first_line(event.message)}"
            return News(text, Tone.WARN, "rejected")
        case _:
            return None


def _first_line(message: str) -> str:
    return next(iter(message.splitlines()), "")
