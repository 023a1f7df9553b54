"""Probes stop the job above their limit, and when they cannot be read."""

from backfill.throttle.signals import ProbeAnswer
from backfill.throttle.wait_reason import WaitKind
from tests.factories import signals
from tests.unit.throttle.conditions.found import conditions_in, reasons


def test_a_probe_over_its_limit_is_a_fault_and_an_unknown_one_is_blindness():
    found = conditions_in(
        signals(
            probes=(ProbeAnswer("active", 50.0, 50.0), ProbeAnswer("cpu", 0.8, 0.93), ProbeAnswer("x", 1, None, "gone"))
        )
    )
    assert reasons(found) == ["probe cpu 0.93 > 0.8", "probe x unknown: gone"]
    assert [one.reason.kind for one in found] == [WaitKind.PROBE, WaitKind.BLIND]
