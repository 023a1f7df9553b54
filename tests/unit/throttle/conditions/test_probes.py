"""Probes stop the job above their limit, and when they cannot be read."""

from backfill.throttle.signals import ProbeAnswer
from backfill.throttle.wait_reason import WaitKind
from tests.factories import signals
from tests.unit.throttle.conditions.found import conditions_in, reasons


def test_a_probe_above_its_limit_and_an_unknown_probe_stop_the_job():
    found = conditions_in(
        signals(
            probes=(
                ProbeAnswer(name="active", limit=50.0, value=50.0),
                ProbeAnswer(name="cpu", limit=0.8, value=0.93),
                ProbeAnswer(name="x", limit=1, value=None, why="gone"),
            )
        )
    )
    assert reasons(found) == ["probe cpu 0.93 > 0.8", "probe x unknown: gone"]
    assert [one.reason.kind for one in found] == [WaitKind.PROBE, WaitKind.BLIND]
