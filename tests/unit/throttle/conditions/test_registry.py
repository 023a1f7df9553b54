"""Conditions together: none in a healthy reading, and each with a hysteresis of its own."""

import pytest

from backfill.throttle.conditions.stop_condition import RESUME_SHARE
from tests.factories import MB, archiver, replica, signals, slot
from tests.unit.throttle.conditions.found import NOTHING, conditions_in, keys, window


def test_a_healthy_reading_stops_nothing():
    reading = signals(0.0, 0, replica(), slots=(slot(),), archiver=archiver())
    assert conditions_in(reading, window(), expected={"replica-a"}) == ()


CROSSINGS = [
    (lambda level: (signals(), (window(lag_s=9 * level),)), "lag"),
    (lambda level: (signals(), (window(behind=int(0.9 * 256 * MB * level)),)), "lag_bytes"),
    (lambda level: (signals(slots=(slot(retained_bytes=int(level * (10 << 30))),)), ()), "slot"),
    (lambda level: (signals(archiver=archiver(int(level * (1 << 30)))), ()), "archive"),
]


@pytest.mark.parametrize(("at", "kind"), CROSSINGS, ids=[kind for _, kind in CROSSINGS])
def test_once_over_a_signal_has_to_come_back_to_half_of_its_limit(at, kind: str):
    stopped = NOTHING
    seen, notes = [], []
    for level in (0.99, 1.01, 0.99, RESUME_SHARE + 0.01, RESUME_SHARE - 0.01, 0.99):
        reading, windows = at(level)
        found = conditions_in(reading, *windows, stopped=stopped)
        seen.append([str(condition.reason.kind) for condition in found])
        notes.append([str(condition.reason).endswith(" (after a stop, half of the limit)") for condition in found])
        stopped = keys(found)
    assert seen == [[], [kind], [kind], [kind], [], []]
    assert notes == [[], [False], [True], [True], [], []], "a limit that is shown at half says so"


def test_a_stop_does_not_halve_the_limits_of_other_signals():
    """A slot that is steadily above half of its limit would hold a job for ever after one moment of lag."""
    kept = (slot("logical", retained_bytes=6 << 30), slot("other", retained_bytes=11 << 30))
    stopped = keys(conditions_in(signals(slots=kept), window(lag_s=20.0)))
    assert conditions_in(signals(slots=kept[:1]), window(), stopped=stopped) == ()
