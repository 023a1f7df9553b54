"""The table stops the job for an autovacuum that prevents wraparound, and for nothing else."""

from backfill.throttle.signals import Upkeep
from backfill.throttle.wait_reason import WaitKind
from tests.factories import signals
from tests.unit.throttle.conditions.found import conditions_in, reasons


def test_a_vacuum_that_prevents_wraparound_goes_first():
    found = conditions_in(signals(upkeep=Upkeep(vacuum="users")))
    assert reasons(found) == ["users is being vacuumed to prevent wraparound"]
    assert found[0].reason.kind is WaitKind.VACUUM


def test_an_old_snapshot_and_dead_tuples_stop_nothing():
    assert conditions_in(signals(upkeep=Upkeep(dead_tuples=10**9, oldest_snapshot_s=86400.0))) == ()
