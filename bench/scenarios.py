"""What happens around a backfill: a link, a budget, and acts at set moments. Capacity follows from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

MB = 1024**2
RATE_BYTES_S = 4 * MB


class Kind(Enum):
    """What an act does."""

    RATE = auto()
    """The link gets another capacity, 0: it is frozen, every connection open and no byte moving."""
    CHECKPOINT = auto()
    """The first touch of each page costs its full-page image from now on."""


@dataclass(frozen=True, slots=True)
class Act:
    """At `at_s` of a run; `word` is written into the picture."""

    at_s: float
    kind: Kind
    word: str
    rate_bytes_s: int = 0


@dataclass(frozen=True, slots=True)
class Scenario:
    """One row of pictures: `replica-b` behind the link, `max_lag` for ours, and all the rest as named."""

    name: str
    title: str
    budget_s: float
    span_s: float
    acts: Sequence[Act] = ()
    with_fast_replica: bool = False
    with_foreign_writer: bool = False
    with_application: bool = False
    rounds: int = 1
    """More than one: contenders take turns, and the figures are medians, as what is measured is small."""

    def rates(self) -> list[tuple[float, int]]:
        """Return (second of the run, bytes/s from then on)."""
        return [(0.0, RATE_BYTES_S), *((act.at_s, act.rate_bytes_s) for act in self.acts if act.kind is Kind.RATE)]

    def capacity_bytes(self, begin_s: float, end_s: float) -> float:
        """Return what the link could carry between two seconds of the run."""
        rates = self.rates()
        ends = [at_s for at_s, _ in rates[1:]] + [float("inf")]
        return sum(
            rate * max(0.0, min(until_s, end_s) - max(at_s, begin_s))
            for (at_s, rate), until_s in zip(rates, ends, strict=True)
        )


SCENARIOS = (
    Scenario("steady", "steady, budget 1 s", budget_s=1, span_s=16),
    Scenario("steady-10s", "steady, budget 10 s", budget_s=10, span_s=20),
    Scenario(
        "step",
        "link 4, 1, 4 MB/s, budget 2 s",
        budget_s=2,
        span_s=19,
        acts=(Act(6, Kind.RATE, "1 MB/s", 1 * MB), Act(13, Kind.RATE, "4 MB/s", RATE_BYTES_S)),
    ),
    Scenario(
        "freeze",
        "standby frozen for 10 s, budget 2 s",
        budget_s=2,
        span_s=20,
        acts=(Act(5, Kind.RATE, "frozen", 0), Act(15, Kind.RATE, "thawed", RATE_BYTES_S)),
    ),
    Scenario(
        "checkpoint",
        "checkpoint in mid-run, budget 1 s",
        budget_s=1,
        span_s=18,
        acts=(Act(7, Kind.CHECKPOINT, "checkpoint"),),
    ),
    Scenario("foreign", "a foreign writer takes 40 %, budget 1 s", budget_s=1, span_s=14, with_foreign_writer=True),
    Scenario("price", "an application beside it, budget 1 s", budget_s=1, span_s=8, with_application=True, rounds=3),
    Scenario("two", "two replicas, one slow, budget 1 s", budget_s=1, span_s=14, with_fast_replica=True),
)
"""`two` goes last: the second standby is made for it and stays."""
