"""Events into a view: a view, an event and its time in, the next view out. Pure."""

from __future__ import annotations

import math
from dataclasses import replace

from backfill.events.batch import BatchDone
from backfill.events.event import Event
from backfill.events.job import Finished, LockTaken, LockWaiting, PassDone, Started, Stopping, Verified
from backfill.events.leaf import LeafStarted
from backfill.events.throttle import LimitsChanged, SignalsRead, WaitStarted
from backfill.observe import notices
from backfill.observe.notices import Notice
from backfill.observe.terminal.history import Level, Mark, worse
from backfill.observe.terminal.state import PACE_S, SHARE_S, SLOT_S, NoteLine, OpenWait, TerminalState, TimeSlot
from backfill.throttle.wait_reason import WaitKind

FORGET_S = 60.0
"""A replica that has been neither read nor missing for this long is no longer shown."""
NOTES_KEPT = 8
WAITS_KEPT = 200


def reduce(view: TerminalState, event: Event, now_s: float) -> TerminalState:
    """Return the view after one event, read at `now_s`."""
    if event.job != view.job:
        view = TerminalState(began_s=view.began_s, job=event.job, notes=view.notes)
    if (notice := notices.notice_for(event)) is not None:
        view = add_note(view, notice, now_s)
    view = replace(view, heard_s=now_s)
    match event:
        case Started():
            return _begin(_close_wait(view, now_s), event, now_s)
        case LockWaiting() | LockTaken() | WaitStarted():
            return _wait(view, event, now_s)
        case SignalsRead():
            return _measure(view, event, now_s)
        case BatchDone():
            return _add_batch(_close_wait(view, now_s - event.took_s), event, now_s)
        case Finished():
            return replace(_close_wait(view, now_s), finished=event, finished_s=now_s)
        case _:
            return _mark(view, event)


def add_note(view: TerminalState, notice: Notice, now_s: float) -> TerminalState:
    """Return the view with one more notice; one with the same key moves to the end and is counted."""
    same = [old for old in view.notes if notice.key is not None and old.notice.key == notice.key]
    count = 1 + sum(old.count for old in same)
    kept = tuple(old for old in view.notes if old not in same)
    return replace(view, notes=(*kept, NoteLine(now_s - view.began_s, notice, count))[-NOTES_KEPT:])


def _begin(view: TerminalState, event: Started, now_s: float) -> TerminalState:
    """Forget the last worker's end, keep the histories: they belong to the cluster."""
    view = replace(view, started=event, started_s=now_s, leaf=None, batch=None, slots=())
    return replace(view, passed=None, verified=None, stopping=None, finished=None)


def _mark(view: TerminalState, event: Event) -> TerminalState:
    """Keep the milestones; other events only give a notice."""
    match event:
        case LeafStarted():
            return replace(view, leaf=event, passed=None, verified=None)
        case PassDone():
            return replace(view, passed=event, verified=None)
        case Verified():
            return replace(view, verified=event)
        case Stopping():
            return replace(view, stopping=event)
        case LimitsChanged() if view.started is not None:
            return replace(view, started=event.limits(view.started))
        case _:
            return view


def _wait(view: TerminalState, event: LockWaiting | LockTaken | WaitStarted, now_s: float) -> TerminalState:
    match event:
        case LockTaken():
            return _close_wait(view, now_s)
        case LockWaiting():
            wait = OpenWait(
                kind=WaitKind.LOCK, text=f"lock held by {event.holder}", start_s=now_s - event.waited_s, end_s=math.inf
            )
        case WaitStarted():
            wait = OpenWait(kind=event.reason.kind, text=event.reason.text, start_s=now_s, end_s=now_s + event.delay_s)
    begins = view.wait is None or view.wait.kind != wait.kind
    if begins and (notice := notices.notice_for_wait(event)) is not None:
        view = add_note(view, notice, now_s)
    return _open_wait(view, wait, now_s)


def _open_wait(view: TerminalState, wait: OpenWait, now_s: float) -> TerminalState:
    """Go on with the open wait when it is for the same kind of reason, else begin another."""
    if view.wait is not None and view.wait.kind == wait.kind:
        same = replace(view.wait, text=wait.text, end_s=wait.end_s)
        return replace(view, waits=(*view.waits[:-1], same))
    view = _close_wait(view, now_s)
    kept = tuple(old for old in view.waits if old.end_s > now_s - SHARE_S)
    return replace(view, waits=(*kept, wait)[-WAITS_KEPT:])


def _close_wait(view: TerminalState, end_s: float) -> TerminalState:
    if view.wait is None:
        return view
    end_s = max(view.wait.start_s, min(view.wait.end_s, end_s))
    return replace(view, waits=(*view.waits[:-1], replace(view.wait, end_s=end_s, open=False)))


def _measure(view: TerminalState, event: SignalsRead, now_s: float) -> TerminalState:
    lag: dict[str, Level] = {}
    worst = dict(view.worst)
    for replica in event.replicas:
        name, level = replica.name, Mark.UNKNOWN if replica.lag_s is None else replica.lag_s
        lag[name] = worse(lag.get(name, level), level)
        if replica.lag_s is not None:
            worst[name] = max(worst.get(name, 0.0), replica.lag_s)
    seen_s = {**view.seen_s, **dict.fromkeys((*lag, *event.missing), now_s)}
    seen_s = {name: at_s for name, at_s in seen_s.items() if now_s - at_s <= FORGET_S}
    lag.update(dict.fromkeys((name for name in seen_s if name not in lag), Mark.MISSING))
    wal: dict[str, Level] = {"job": event.own_wal_rate_bytes_s}
    if event.wal_rate_bytes_s is not None:
        wal["all"] = event.wal_rate_bytes_s
    return replace(
        view,
        signals=event,
        signals_s=now_s,
        lag=view.lag.add(now_s, lag),
        wal=view.wal.add(now_s, wal),
        seen_s=seen_s,
        worst={name: lag_s for name, lag_s in worst.items() if name in seen_s},
    )


def _add_batch(view: TerminalState, event: BatchDone, now_s: float) -> TerminalState:
    index = math.floor(now_s / SLOT_S)
    kept = tuple(slot for slot in view.slots if slot.index > index - PACE_S / SLOT_S)
    last = kept[-1] if kept and kept[-1].index == index else TimeSlot(index=index)
    summed = TimeSlot(
        index=index,
        batches=last.batches + 1,
        rows=last.rows + event.rows,
        rows_hot=last.rows_hot + event.rows_hot,
        wal_bytes=last.wal_bytes + event.wal_bytes,
        took_s=last.took_s + event.took_s,
    )
    slots = (*(slot for slot in kept if slot.index != index), summed)
    wal_bytes = view.wal_bytes + event.wal_bytes
    return replace(view, batch=event, batch_s=now_s, passed=None, slots=slots, wal_bytes=wal_bytes)
