"""Signals near their limits have a line in the live view; those far from them, and old readings, have none."""

from backfill.observe.terminal.history import CARRY_S
from tests import event_factories
from tests.unit.observe.terminal.test_live import drawn, view_of

SLOT = event_factories.slot("debezium", retained_bytes=6 << 30)
FAR = event_factories.signal("active_sessions", "etl", 3.0, 10.0)
OVER = event_factories.signal("active_sessions", "app", 52.0, 40.0)
UNKNOWN = event_factories.signal("active_sessions", "web", None, 5.0)


def lines_of(*groups, now_s=1.1, width=80):
    events = ((0.0, event_factories.started()), (1.0, event_factories.signals_read(*groups)))
    lines = drawn(view_of(*events), now_s, width)
    return [line.removeprefix(" signals ").strip() for line in lines if "/10GB" in line or "sessions" in line]


def test_signals_near_their_limits_are_shown_the_nearest_first():
    assert lines_of(event_factories.replica(), SLOT, FAR, OVER, UNKNOWN) == [
        "active sessions app 52/40",
        "active sessions web ?/5",
        "slot retained debezium 6GB/10GB",
    ]


def test_signals_far_from_their_limits_are_not_shown():
    assert lines_of(event_factories.replica(), FAR) == []


def test_lag_has_its_own_lines():
    assert lines_of(event_factories.replica(lag_s=99.0)) == []


def test_old_readings_are_not_shown():
    assert lines_of(OVER, now_s=1.1 + CARRY_S) == []
