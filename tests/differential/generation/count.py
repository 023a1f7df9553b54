"""How many cases are made, and from which seed: CASES and SEED of the environment."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings

CASES_MANY = 1000
"""From so many on, faults that are put back have to be found by made cases too, not by the fixed ones alone."""
CASES, SEED = int(os.environ.get("CASES", "100")), int(os.environ.get("SEED", "1"))
SHARDS = 4


def many(cases: int, *phases: Phase) -> settings:
    """Return hypothesis's settings for so many cases, the same ones each time."""
    return settings(
        max_examples=cases,
        deadline=None,
        database=None,
        phases=phases,
        suppress_health_check=list(HealthCheck),
    )
