"""Hypothesis finds the same examples everywhere, however slow the machine; with RANDOM_PLANTS set, others each time.

A quarter of the plants is tried, with ALL_PLANTS (`make plants`) or RANDOM_PLANTS each of them.

A plant takes tens of milliseconds: shrinking one would take minutes and tell little more than its first failure.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "calm",
    deadline=None,
    derandomize="RANDOM_PLANTS" not in os.environ,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("calm")
