"""What our VACUUMs did."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class VacuumStarted:
    """A VACUUM of the table begins beside the batches, as `moved` row versions have left their page since the last."""

    job: str
    moved: int
    cost_limit: int
    cost_delay_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class VacuumDone:
    """A VACUUM of ours is over: `result` is done, stopped or failed, `why` says why it is one of the latter.

    `removed` are row versions whose place is free now, `held` those that older snapshots keep; None where it is
    not known.
    """

    job: str
    result: str
    why: str
    took_s: float
    removed: int | None
    held: int | None
    wal_bytes: int | None


@dataclass(frozen=True, slots=True)
class VacuumNotPermitted:
    """This role may not vacuum the table; the GRANT that mends it. Told once a run, which goes on without."""

    job: str
    why: str
