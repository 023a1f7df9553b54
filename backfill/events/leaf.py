"""What happens to the leaves of a partitioned or inherited table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafStarted:
    """One of several tables of a job is at work: a partition, a child, or the parent itself."""

    job: str
    leaf: str
    number: int
    leaves: int
    pages: int
    resumed: bool
    pass_number: int
    progress_ratio: float
    rows_unconverged: int
    rows_rejected: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafDone:
    """A leaf is filled and proven. Rows that cannot converge, and those set aside, are of all leaves so far."""

    job: str
    leaf: str
    number: int
    leaves: int
    rows_unconverged: int
    rows_rejected: int = 0


@dataclass(frozen=True, slots=True)
class LeafRemoved:
    """A leaf was dropped or detached while it was at work: the job goes on without it."""

    job: str
    leaf: str
    why: str
