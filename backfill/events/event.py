"""Every event, and its JSON form."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from backfill.events.batch import BatchDone, BatchRefused, CompressionChanged, LayoutChanged, RowRejected, RowRetried
from backfill.events.ddl import DdlDone, DdlLockFailed, DdlProgress, DdlWaiting
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
from backfill.events.leaf import LeafDone, LeafRemoved, LeafStarted
from backfill.events.sync import SyncTriggerMade, SyncTriggerRemoved
from backfill.events.throttle import LimitsChanged, NoReplicas, SignalsRead, ThrottleDecision, WaitStarted
from backfill.events.vacuum import VacuumDone, VacuumNotPermitted, VacuumStarted
from backfill.table.estimate.time_left import TimeLeft
from backfill.throttle.decision_values import Inputs
from backfill.throttle.reading import Reading, Unit
from backfill.throttle.wait_reason import WaitKind, WaitReason

Event = (
    Started
    | LockWaiting
    | LockTaken
    | LeafStarted
    | LeafDone
    | LeafRemoved
    | NoReplicas
    | SignalsRead
    | LimitsChanged
    | ThrottleDecision
    | WaitStarted
    | BatchDone
    | BatchRefused
    | RowRejected
    | RowRetried
    | LayoutChanged
    | CompressionChanged
    | PassDone
    | VacuumStarted
    | VacuumDone
    | VacuumNotPermitted
    | Verified
    | DdlWaiting
    | DdlLockFailed
    | DdlProgress
    | DdlDone
    | SyncTriggerMade
    | SyncTriggerRemoved
    | RetryScheduled
    | PassRestarted
    | VerificationRestarted
    | Stopping
    | Finished
)


_TYPES: dict[str, type[Any]] = {kind.__name__: kind for kind in Event.__args__}


def to_dict(event: Event) -> dict[str, Any]:
    """Return the event as plain JSON values, its name under `event`."""
    return {"event": type(event).__name__, **asdict(event)}


def from_dict(fields: dict[str, Any]) -> Event:
    """Return the event that `to_dict` wrote; raise KeyError or TypeError on anything else."""
    values = {name: value for name, value in fields.items() if name != "event"}
    if "reason" in values and isinstance(values["reason"], dict):
        values["reason"] = WaitReason(WaitKind(values["reason"]["kind"]), values["reason"]["text"])
    if "readings" in values:
        values["readings"] = tuple(Reading(**{**item, "unit": Unit(item["unit"])}) for item in values["readings"])
    if "inputs" in values:
        values["inputs"] = Inputs(**values["inputs"])
    if values.get("time_left") is not None:
        values["time_left"] = TimeLeft(**values["time_left"])
    for name in ("missing", "samples", "rejected", "changes", "sizes"):
        if name in values:
            values[name] = tuple(values[name])
    event: Event = _TYPES[fields["event"]](**values)
    return event
