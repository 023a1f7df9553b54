"""What a run does now: one word, one sentence, and the figures of the last seconds.

Shared by the live view and the plain lines. Pure: the time is an argument.
"""

from __future__ import annotations

from dataclasses import dataclass

from backfill.observe.notices import SEVERITIES, Severity, wait_severity
from backfill.observe.terminal.state import PACE_S, SHARE_S, SLOT_S, OpenWait, TerminalState, TimeSlot
from backfill.throttle.wait_reason import PACE_KINDS
from backfill.values.units import format_duration

LINGER_S = 1.0
"""The pace is shown this long after its last wait: it changes many times a second."""
QUIET_S = 3.0
"""No event for this long, without an announced wait, is reported."""
LONG_S = 1.0
"""A wait is shown with its length from here on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """The word is one of starts, runs, pace, waits, stalled, verify, stops or the final state.

    `length_s` is how long this has lasted without a break; 0 if that is not known.
    """

    word: str
    text: str
    tone: Severity = Severity.CALM
    length_s: float = 0.0

    @property
    def length(self) -> str:
        """`for 12s` if it is long enough to be shown, else empty."""
        return f"for {format_duration(int(self.length_s))}" if self.length_s >= LONG_S else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recent:
    """Averages over the last seconds; `rows_s` is None before the first batch."""

    rows_s: float | None = None
    batch_rows: int | None = None
    batch_s: float | None = None
    row_wal_bytes: float | None = None
    hot_ratio: float | None = None


def activity_of(view: TerminalState, now_s: float) -> Activity:
    """Return what the worker does now; the strongest fact wins."""
    wait = _shown_wait(view, now_s)
    return _end(view) or _held(wait, now_s) or _silence(view, now_s) or _work(view, wait, now_s)


def silence_s(view: TerminalState, now_s: float) -> float:
    """Return how long ago the last event was, or the end of the wait that it announced."""
    return now_s - max(view.began_s, view.heard_s, *(wait.end_s for wait in view.waits[-1:]))


def recent(view: TerminalState, now_s: float) -> Recent:
    """Return the figures of the last seconds; if no batch ended in them, those of the last batch."""
    if view.batch is None:
        return Recent()
    slots = [slot for slot in view.slots if slot.index > (now_s - PACE_S) / SLOT_S - 1]
    span_s = max(0.5, min(PACE_S, now_s - view.started_s))
    rows_s = sum(slot.rows for slot in slots) / span_s
    last = view.batch
    slots = slots or [
        TimeSlot(
            index=0, batches=1, rows=last.rows, rows_hot=last.rows_hot, wal_bytes=last.wal_bytes, took_s=last.took_s
        )
    ]
    batches = sum(slot.batches for slot in slots)
    rows = sum(slot.rows for slot in slots)
    return Recent(
        rows_s=rows_s,
        batch_rows=round(rows / batches),
        batch_s=sum(slot.took_s for slot in slots) / batches,
        row_wal_bytes=sum(slot.wal_bytes for slot in slots) / rows if rows else None,
        hot_ratio=sum(slot.rows_hot for slot in slots) / rows if rows else None,
    )


def wait_shares(view: TerminalState, now_s: float) -> tuple[tuple[str, float], ...]:
    """Return each kind of wait and its share of the last seconds, largest first."""
    span_s = min(SHARE_S, max(0.5, now_s - view.began_s))
    waited_s: dict[str, float] = {}
    for wait in view.waits:
        overlap_s = min(wait.end_s, now_s) - max(wait.start_s, now_s - span_s)
        if overlap_s > 0:
            name = wait.kind.value.replace("_", " ")
            waited_s[name] = waited_s.get(name, 0.0) + overlap_s
    shares = ((name, seconds / span_s) for name, seconds in waited_s.items())
    return tuple(sorted(shares, key=lambda share: -share[1]))


def _end(view: TerminalState) -> Activity | None:
    if view.finished is None:
        return None
    return Activity(
        word=view.finished.state, text=view.finished.cause, tone=SEVERITIES.get(view.finished.state, Severity.BAD)
    )


def _held(wait: OpenWait | None, now_s: float) -> Activity | None:
    if wait is None or not wait.open or wait.kind in PACE_KINDS:
        return None
    return Activity(word="waits", text=wait.text, tone=wait_severity(wait.kind), length_s=now_s - wait.start_s)


def _silence(view: TerminalState, now_s: float) -> Activity | None:
    """The final read of the table is long and has no events; any other silence is reported."""
    silent_s = silence_s(view, now_s)
    if view.passed is not None and view.passed.rows == 0 and view.verified is None:
        return Activity(word="verify", text="reading the whole table to verify it", length_s=silent_s)
    if silent_s < QUIET_S or view.heard_s < view.began_s:
        return None
    return Activity(word="stalled", text="no events from the worker", tone=Severity.WARN, length_s=silent_s)


def _work(view: TerminalState, wait: OpenWait | None, now_s: float) -> Activity:
    if view.stopping is not None:
        return Activity(
            word="stops",
            text=f"{view.stopping.signal} received: finishing the current batch, then exiting",
            tone=Severity.WARN,
        )
    if view.started is None:
        heard = view.heard_s >= view.began_s
        return Activity(
            word="starts", text="reading the table and the cluster" if heard else "no events from the worker yet"
        )
    if wait is not None:
        return Activity(word="pace", text=wait.text, length_s=now_s - wait.start_s if wait.open else 0.0)
    return Activity(word="runs", text="nothing to wait for")


def _shown_wait(view: TerminalState, now_s: float) -> OpenWait | None:
    last = view.waits[-1] if view.waits else None
    if last is None or now_s - last.end_s >= LINGER_S:
        return None
    return last if last.open or last.kind in PACE_KINDS else None
