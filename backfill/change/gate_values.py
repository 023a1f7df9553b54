"""What a gate asks for, and what was read for it. None is unknown, and what is unknown keeps the gate closed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from backfill.jobfile.limits import ReplicaLimits, ThrottleLimits
from backfill.throttle.conditions.seen_replicas import SeenReplica
from backfill.throttle.signals import Signals


@dataclass(frozen=True, slots=True, kw_only=True)
class GateTerms:
    """What has to be true before the gate opens.

    `lsn` is the position that every counted replica has to replay, None for the primary's own when the gate begins.
    A replica that reports a lag and no position passes once that lag has been at most `max_lag_s` for `calm_s`.
    `limits` says which replicas count, as in a job.
    """

    max_lag_s: float
    calm_s: float
    lsn: int | None = None
    limits: ThrottleLimits = field(default_factory=ThrottleLimits)
    seen: tuple[SeenReplica, ...] = ()


@dataclass(frozen=True, slots=True)
class PrimaryPosition:
    """Which server was asked, and on which timeline it writes."""

    system_identifier: int
    timeline: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GatedJob:
    """A job that has to be done and proven. `state` is None if it never started; `why` says what cannot be read.

    `leaves_unknown` have rows, and were attached after the job's end.
    """

    name: str
    state: str | None = None
    leaves_unproven: int = 0
    leaves_unknown: tuple[str, ...] = ()
    rows_left: int = 0
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerAnswer:
    """What one server said of itself: the timeline it follows, and which of the columns it lacks; None if unknown."""

    name: str
    timeline: int | None = None
    missing_columns: tuple[str, ...] | None = None
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateReading:
    """One reading at `at_s`. `signals` and `primary` are None while the primary cannot be read, for the reason `why`.

    `standbys` are those that were asked directly; `primary_answer` is what the primary says of the columns.
    """

    at_s: float
    signals: Signals | None = None
    primary: PrimaryPosition | None = None
    primary_answer: ServerAnswer | None = None
    standbys: tuple[ServerAnswer, ...] = ()
    jobs: tuple[GatedJob, ...] = ()
    why: str = ""


def merged_limits(
    limits: Iterable[ThrottleLimits], *, require: Iterable[str], ignore: Iterable[str], min_count: int
) -> ThrottleLimits:
    """Return which replicas count for several jobs: one that any of them requires is required.

    A replica is ignored if every job ignores it by the same pattern, or if the gate itself is to ignore it.
    """
    replicas = [each.replicas for each in limits]
    ignored = (
        {pattern for pattern in replicas[0].ignore if all(pattern in each.ignore for each in replicas)}
        if replicas
        else set[str]()
    )
    ignored |= set(ignore)
    required = {name for each in replicas for name in each.require} | set(require)
    direct = {conninfo: None for each in replicas for conninfo in each.direct}
    return ThrottleLimits(
        replicas=ReplicaLimits.model_construct(
            require=tuple(sorted(required)),
            ignore=tuple(sorted(ignored)),
            min_count=max((each.min_count for each in replicas), default=0) if min_count == 0 else min_count,
            direct=tuple(direct),
        )
    )
