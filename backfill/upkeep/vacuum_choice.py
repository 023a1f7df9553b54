"""What may be decided about the vacuum of our table: start one at a cost, stop the one that runs, or neither."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class VacuumCost:
    """The server's `vacuum_cost_limit` and `vacuum_cost_delay`."""

    limit: int
    delay_ms: float


@dataclass(frozen=True, slots=True)
class StartVacuum:
    """Begin."""

    cost: VacuumCost


@dataclass(frozen=True, slots=True)
class StopVacuum:
    """End the one that runs."""

    reason: str


@dataclass(frozen=True, slots=True)
class Skip:
    """Go on as it is."""

    reason: str


VacuumChoice = StartVacuum | StopVacuum | Skip
