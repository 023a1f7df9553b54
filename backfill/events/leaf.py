"""The leaves of a partitioned or inherited table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafStarted:
    """Work on one of a job's tables begins: a partition, a child, or the parent itself."""

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
    """A leaf is filled and verified. Unconverged and rejected rows are of all leaves so far."""

    job: str
    leaf: str
    number: int
    leaves: int
    rows_unconverged: int
    rows_rejected: int = 0


@dataclass(frozen=True, slots=True)
class LeafRemoved:
    """A leaf was dropped or detached during the work on it: the job continues without it."""

    job: str
    leaf: str
    why: str
