"""What the loop needs from outside: a database session, time, chance, a place to tell facts, and when to stop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from backfill.core.batch import Filled, Opened, Overfull, Verification
from backfill.core.decision import Admission
from backfill.core.events import Event
from backfill.core.job import Job
from backfill.core.reason import Reason
from backfill.core.scan import Scan
from backfill.core.scout import Cut, Scouted
from backfill.core.signals import Signals
from backfill.errors import BackfillError


class Stopped(BackfillError):
    """We were asked to stop; the checkpoint stands."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Time in seconds of a monotonic clock, jitter in [0, 1], and a sleep that raises Stopped at once when asked."""

    record: Callable[[Event], None]
    now_s: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    jitter: Callable[[], float]


class Session(Protocol):
    """One database session that runs one job. Every method raises Lost when the session is gone, else Refused."""

    async def try_lock(self) -> str | None:
        """Take the job's lock; return who holds it instead, or None when it is ours."""

    async def open(self) -> Opened:
        """Claim the checkpoint, or write the first one."""

    async def reopen(self, scan: Scan) -> tuple[Scan, str]:
        """Start the pass again on a table that was rewritten; return the place, and why."""

    async def new_pass(self, scan: Scan) -> Scan:
        """Return the next pass, up to the table's present end."""

    async def read_signals(self) -> Signals:
        """Read everything that our WAL can hurt."""

    async def apply_limits(self, job: Job) -> None:
        """Let the statements to come keep the limits of this job, which is ours under other limits."""

    async def read_scout(self, scan: Scan, rows: int) -> Scouted:
        """Count matching rows from the scan's place on, in slices that hold at most `rows`."""

    async def run_batch(self, scan: Scan, cut: Cut, admission: Admission) -> Filled | Overfull:
        """Run one batch and its checkpoint in one transaction; raises Superseded, Rewritten, Diverges."""

    async def save_place(self, scan: Scan) -> Scan:
        """Write a checkpoint without a batch, for stretches that had nothing to do; raises as `run_batch`."""

    async def save_wait(self, reason: Reason | None, replicas_seen: frozenset[str]) -> None:
        """Tell `status` what the job waits for."""

    async def verify(self) -> Verification:
        """Read the whole table once."""
