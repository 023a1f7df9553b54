"""One sentence for each notable event, none for the ordinary.

Notices with the same key repeat each other: a reader counts them instead of showing them again.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from backfill.events.batch import BatchRefused, CompressionChanged, LayoutChanged, RowRejected
from backfill.events.ddl import DdlDone, DdlLockFailed, DdlProgress, DdlWaiting
from backfill.events.event import Event
from backfill.events.job import (
    Finished,
    LockTaken,
    LockWaiting,
    PassDone,
    PassRestarted,
    RetryScheduled,
    Started,
    Stopping,
    VerificationRestarted,
    Verified,
)
from backfill.events.leaf import LeafRemoved, LeafStarted
from backfill.events.sync import SyncTriggerMade, SyncTriggerRemoved
from backfill.events.throttle import LimitsChanged, NoReplicas, WaitStarted
from backfill.events.vacuum import VacuumDone, VacuumNotPermitted, VacuumStarted
from backfill.throttle.wait_reason import PACE_KINDS, WaitKind
from backfill.values.units import format_duration, format_rate

LOCK_WAIT_NOTICE_S = 1.0
BLIND_KINDS = frozenset({WaitKind.MISSING, WaitKind.BLIND, WaitKind.CONNECTION})
"""Waits because something cannot be seen."""
SHOWN_ELSEWHERE = frozenset({WaitKind.RETRY, WaitKind.LOCK})
"""Waits that have an event of their own."""


class Severity(StrEnum):
    """How serious a notice is; the value is rich's style."""

    CALM = "default"
    GOOD = "green"
    WARN = "yellow"
    BAD = "red"


SEVERITIES = {
    "done": Severity.GOOD,
    "unconverged": Severity.WARN,
    "stopped": Severity.WARN,
    "cancelled": Severity.WARN,
}
"""Final states other than failures."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One sentence; `key` is None if each notice stands for itself."""

    text: str
    tone: Severity = Severity.CALM
    key: str | None = None


def notice_for(event: Event) -> Notice | None:
    """Return what a person should read about this event; None if it is not notable."""
    match event:
        case LimitsChanged():
            return _limits_changed(event)
        case VacuumStarted() | VacuumDone() | VacuumNotPermitted():
            return _vacuum(event)
        case LeafStarted():
            return Notice(f"{leaf_words(event)}, {event.pages:,} pages", key="leaf")
        case LeafRemoved():
            return Notice(f"{event.why}; the others continue", Severity.WARN)
        case CompressionChanged():
            return _compression(event)
        case _:
            return _work(event) or _rejected(event) or _interruption(event) or _ddl(event) or _sync(event)


def notice_for_wait(event: WaitStarted | LockWaiting) -> Notice | None:
    """Return that a wait begins; None for the ordinary pace and for waits with an event of their own."""
    if isinstance(event, LockWaiting):
        return Notice(f"waiting for the lock, held by {event.holder}", Severity.WARN)
    if event.reason.kind in PACE_KINDS or event.reason.kind in SHOWN_ELSEWHERE:
        return None
    return Notice(f"waiting: {event.reason.text}", wait_severity(event.reason.kind), f"wait {event.reason.kind}")


def wait_severity(kind: WaitKind) -> Severity:
    """Return how serious a wait of this kind is."""
    if kind in PACE_KINDS or kind is WaitKind.SCHEDULE:
        return Severity.CALM
    return Severity.BAD if kind in BLIND_KINDS else Severity.WARN


def moment(elapsed_s: float) -> str:
    """Return `8.0s` or `1m03s`: one form within the first minute, so that columns align."""
    return f"{elapsed_s:.1f}s" if elapsed_s < 59.95 else format_duration(round(elapsed_s))


def count_rows(rows: int) -> str:
    """Return `1 row` or `126,000 rows`."""
    return f"{rows:,} row" + ("" if rows == 1 else "s")


def leaf_words(event: LeafStarted) -> str:
    """Return `leaf 3 of 12: public.events_2024`."""
    return f"leaf {event.number:,} of {event.leaves:,}: {event.leaf}"


def percent(ratio: float) -> str:
    """Return `42.1%`, rounded down: 100 % means that nothing is left."""
    return f"{int(ratio * 1000 + 1e-6) / 10:.1f}%"


def _limits_changed(event: LimitsChanged) -> Notice:
    if event.refused:
        return Notice(f"changed limits do not apply: {event.refused}", Severity.WARN)
    return Notice(f"limits changed: {', '.join(event.changes)}" if event.changes else "limits as in the job file")


def _vacuum(event: VacuumStarted | VacuumDone | VacuumNotPermitted) -> Notice:
    match event:
        case VacuumStarted():
            return Notice(f"vacuum started: {count_rows(event.moved)} moved", key="vacuum started")
        case VacuumDone(result="done"):
            held = f", {event.held:,} held by older snapshots" if event.held else ""
            removed = "" if event.removed is None else f", {event.removed:,} row versions removed"
            return Notice(f"vacuum done in {format_duration(event.took_s)}{removed}{held}", key="vacuum done")
        case VacuumDone():
            text = f"vacuum {event.result} after {format_duration(event.took_s)}: {event.why}"
            return Notice(text, Severity.WARN, f"vacuum {event.result}")
        case VacuumNotPermitted():
            return Notice(event.why, Severity.WARN)


def _sync(event: Event) -> Notice | None:
    match event:
        case SyncTriggerMade():
            return Notice(f"trigger {event.trigger} fills rows that are written to {event.table}")
        case SyncTriggerRemoved():
            return Notice(f"trigger {event.trigger} removed")
        case _:
            return None


def _ddl(event: Event) -> Notice | None:
    match event:
        case DdlWaiting():
            return Notice(f"waiting for {event.blocker}", Severity.WARN, f"ddl {event.table}")
        case DdlLockFailed():
            failed = f"{event.lock} on {event.table} not available, try {event.failures}: {event.blocker}"
            again = f"next try in {format_duration(event.delay_s)}"
            return Notice(f"{failed}; {again}", Severity.WARN if event.loud else Severity.CALM, f"ddl {event.table}")
        case DdlProgress():
            return Notice(event.what, key=f"ddl progress {event.table}")
        case DdlDone():
            done = f"{event.statement}: done in {format_duration(event.took_s)}"
            return Notice(done, Severity.WARN if event.slow else Severity.CALM)
        case _:
            return None


def _compression(event: CompressionChanged) -> Notice:
    how = f"compressed with {event.method}" if event.method else "not compressed"
    return Notice(f"full-page images {how}: {event.why}", key="compression")


def _verified(event: Verified | VerificationRestarted) -> Notice:
    if isinstance(event, VerificationRestarted):
        return Notice(f"the final read continues in pieces: {event.why}", key="verification restarted")
    took = format_duration(event.took_s)
    if event.rows_left == 0:
        return Notice(f"verified in {took}: no row matches any longer", Severity.GOOD)
    cannot = f", {event.rows_unconverged:,} of them cannot converge" if event.rows_unconverged else ""
    if event.rows_unconverged == event.rows_left:
        cannot = " and cannot converge"
    if event.rows_without_partner:
        cannot += f", {event.rows_without_partner:,} have no partner"
    if event.rows_rejected:
        cannot += f", {event.rows_rejected:,} are rejected by the server"
    return Notice(f"verified in {took}: {count_rows(event.rows_left)} still match{cannot}", Severity.WARN)


def _work(event: Event) -> Notice | None:
    match event:
        case Started():
            leaves = f" in {event.leaves:,} tables" if event.leaves > 1 else ""
            began = f"{event.job} started on {event.table}, {event.pages:,} pages{leaves}"
            at = f"resumed at {percent(event.progress_ratio)} of pass {event.pass_number}"
            return Notice(at if event.resumed else began)
        case LayoutChanged():
            return Notice(f"layout: {event.why}", key=f"layout {event.lane}")
        case PassDone():
            result = f"done: {count_rows(event.rows)}" if event.rows else "found no matching rows"
            return Notice(f"pass {event.pass_number} {result}")
        case Verified() | VerificationRestarted():
            return _verified(event)
        case Finished():
            text = event.why if event.cause != event.why else f"{event.state}: {event.why}"
            return Notice(text, SEVERITIES.get(event.state, Severity.BAD))
        case _:
            return None


def _interruption(event: Event) -> Notice | None:
    match event:
        case LockTaken() if event.waited_s >= LOCK_WAIT_NOTICE_S:
            return Notice(f"lock taken after {format_duration(event.waited_s)}")
        case NoReplicas():
            rate = format_rate(event.max_wal_rate_bytes_s)
            return Notice(f"no replica in view: max_wal_rate {rate} alone sets the pace", Severity.WARN)
        case RetryScheduled():
            why = f"{event.reason}: {_first_line(event.message)}"
            text = f"retry {event.attempt} in {format_duration(event.delay_s)}, {why}"
            return Notice(text, Severity.WARN, f"retry {event.reason}")
        case PassRestarted():
            return Notice(f"table rewritten, the pass starts over: {event.why}", Severity.WARN)
        case Stopping():
            return Notice(f"{event.signal} received: finishing the current batch, then exiting", Severity.WARN)
        case _:
            return None


def _rejected(event: Event) -> Notice | None:
    match event:
        case BatchRefused() if event.rows == event.rows_searched:  # only the beginning of the search: it has many steps
            text = f"batch of {count_rows(event.rows)} rejected, {event.reason}: {_first_line(event.message)}"
            return Notice(text, Severity.WARN, "batch rejected")
        case RowRejected():
            text = f"row {event.key} rejected, {event.rows_rejected:,} so far: {_first_line(event.message)}"
            return Notice(text, Severity.WARN, "rejected")
        case _:
            return None


def _first_line(message: str) -> str:
    return next(iter(message.splitlines()), "")
