"""What was seen of one run."""

from __future__ import annotations

from dataclasses import dataclass, field

from bench.watch import Sample

SLOW = "replica-b"
"""The standby behind the link: use, lag and backlog are its."""


@dataclass(slots=True)
class Trace:
    """Samples from outside, rows as they were committed, our window as it was told, and the application's latencies.

    Times are seconds since the run began.
    """

    samples: list[Sample] = field(default_factory=list)
    rows: list[tuple[float, int]] = field(default_factory=list)
    windows: list[tuple[float, float]] = field(default_factory=list)
    latencies_s: list[float] = field(default_factory=list)
    exhausted_s: float | None = None
    """When the contender had nothing left to do; None when it worked to the end of the span."""
