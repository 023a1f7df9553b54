"""Events as log lines: one event a line, with the event's name and fields, units last.

What happens many times a second is logged every few seconds: a wait once for each subject, batches as one `progress`
line. Each single event is logged at level debug.
"""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from backfill.events.batch import BatchDone, BatchRefused, RowRejected
from backfill.events.ddl import DdlDone, DdlLockFailed
from backfill.events.event import Event
from backfill.events.job import Finished, LockWaiting, PassRestarted, RetryScheduled, Started
from backfill.events.leaf import LeafRemoved
from backfill.events.throttle import NoReplicas, SignalsRead, ThrottleDecision, WaitStarted
from backfill.events.vacuum import VacuumDone, VacuumNotPermitted
from backfill.observe.status import State
from backfill.retry.sqlstate import RETRIES_LOUD
from backfill.throttle.wait_reason import LASTING_KINDS, PACE_KINDS, WaitKind

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

QUIET_S = 10.0
"""How often the same wait and the progress are logged."""
QUIET_LASTING_S = 600.0
"""The same for waits that may last for days."""
QUIET = PACE_KINDS | {WaitKind.LOCK, WaitKind.RETRY, WaitKind.CONNECTION}
"""Waits at level debug: the ordinary pace, and those about which LockWaiting and RetryScheduled say more."""

_LEVELS: dict[type[Event], int] = {
    SignalsRead: logging.DEBUG,
    BatchDone: logging.DEBUG,
    BatchRefused: logging.DEBUG,
    ThrottleDecision: logging.DEBUG,
    NoReplicas: logging.WARNING,
    PassRestarted: logging.WARNING,
    VacuumNotPermitted: logging.WARNING,
    LeafRemoved: logging.WARNING,
    RowRejected: logging.WARNING,
}
_FINAL_LEVELS = {State.UNCONVERGED: logging.WARNING, State.HALTED: logging.ERROR, State.FAILED: logging.ERROR}


@dataclass(slots=True, kw_only=True)
class _ProgressSummary:
    """What happened since the last `progress` line."""

    since_s: float
    batches: int = 0
    rows: int = 0
    wal_bytes: int = 0
    paced_s: float = 0.0


@dataclass(slots=True)
class LogSink:
    """The sink that writes events as log lines."""

    log: FilteringBoundLogger
    _quiet_until_s: dict[tuple[str, ...], float] = field(default_factory=dict)
    _progress: dict[str, _ProgressSummary] = field(default_factory=dict)

    def record(self, event: Event, at_s: float) -> None:
        """Write the event at its level, and add it to the next `progress` line."""
        self.log.log(self._level(event, at_s), _name(event), **_fields(event))
        self._add(event, at_s)

    def _level(self, event: Event, at_s: float) -> int:
        match event:
            case WaitStarted(reason=reason) if reason.kind in QUIET:
                return logging.DEBUG
            case WaitStarted(job=job, reason=reason):
                quiet_s = QUIET_LASTING_S if reason.kind in LASTING_KINDS else QUIET_S
                return self._once((job, reason.kind.value, subject(reason.text)), at_s, quiet_s)
            case LockWaiting(job=job, holder=holder):
                return self._once((job, WaitKind.LOCK.value, subject(holder)), at_s, QUIET_S)
            case RetryScheduled() | VacuumDone() | BatchRefused() | DdlLockFailed() | DdlDone() if _loud(event):
                return logging.WARNING
            case Finished(state=state):
                return _FINAL_LEVELS.get(State(state), logging.INFO)
            case _:
                return _LEVELS.get(type(event), logging.INFO)

    def _once(self, key: tuple[str, ...], at_s: float, quiet_s: float) -> int:
        self._quiet_until_s = {old: until_s for old, until_s in self._quiet_until_s.items() if at_s < until_s}
        if key in self._quiet_until_s:
            return logging.DEBUG
        self._quiet_until_s[key] = at_s + quiet_s
        return logging.INFO

    def _forget_lasting(self, job: str) -> None:
        """A batch ends such a wait: the next one is logged at once."""
        for key in [key for key in self._quiet_until_s if key[0] == job and key[1] in LASTING_KINDS]:
            del self._quiet_until_s[key]

    def _add(self, event: Event, at_s: float) -> None:
        progress = self._progress.setdefault(event.job, _ProgressSummary(since_s=at_s))
        match event:
            case Started():
                self._progress[event.job] = _ProgressSummary(since_s=at_s)
            case WaitStarted(reason=reason, delay_s=delay_s) if reason.kind in PACE_KINDS:
                progress.paced_s += delay_s
            case BatchDone():
                self._forget_lasting(event.job)
                progress.batches += 1
                progress.rows += event.rows
                progress.wal_bytes += event.wal_bytes
                if at_s - progress.since_s >= QUIET_S:
                    self._log_progress(event, progress, at_s)
            case _:
                pass

    def _log_progress(self, last: BatchDone, progress: _ProgressSummary, at_s: float) -> None:
        span_s = at_s - progress.since_s
        self.log.info(
            "progress",
            job=last.job,
            pass_number=last.pass_number,
            progress_ratio=round(last.progress_ratio, 4),
            eta_low_s=last.time_left and round(last.time_left.low_s),
            eta_high_s=last.time_left and round(last.time_left.high_s),
            rows_total=last.rows_total,
            rows_s=round(progress.rows / span_s),
            batches=progress.batches,
            wal_bytes=progress.wal_bytes,
            paced_s=round(progress.paced_s, 3),
            span_s=round(span_s, 3),
        )
        self._progress[last.job] = _ProgressSummary(since_s=at_s)


def _loud(event: RetryScheduled | VacuumDone | BatchRefused | DdlLockFailed | DdlDone) -> bool:
    match event:
        case RetryScheduled():
            return event.attempt >= RETRIES_LOUD
        case BatchRefused():  # only the beginning of the search: it has many steps
            return event.rows == event.rows_searched
        case VacuumDone():
            return event.result == "failed"
        case DdlLockFailed():
            return event.loud
        case DdlDone():
            return event.slow


def subject(text: str) -> str:
    """Return the words of a reason before its first number: they stay the same while the number changes."""
    words = text.split()
    number = next((index for index, word in enumerate(words) if word[0].isdigit()), len(words))
    return " ".join(words[:number])


def _name(event: Event) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in type(event).__name__)[1:]


def _fields(event: Event) -> dict[str, Any]:
    if isinstance(event, WaitStarted):
        kind, why = event.reason.kind.value, event.reason.text
        return {"job": event.job, "reason": kind, "why": why, "delay_s": round(event.delay_s, 4)}
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in asdict(event).items()}
