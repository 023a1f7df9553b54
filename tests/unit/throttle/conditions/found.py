"""What tests of conditions share: a state of the throttle with replicas at a lag, and the conditions found in a reading."""

from backfill.throttle.conditions.registry import find_stop_conditions
from backfill.throttle.replica_window import ReplicaWindow
from backfill.throttle.state import ThrottleState
from backfill.throttle.wait_reason import ConditionKey
from tests.factories import limits

NOTHING: frozenset[ConditionKey] = frozenset()


def window(name: str = "replica-a", lag_s: float = 0.0, behind: int = 0) -> ReplicaWindow:
    return ReplicaWindow(name=name, replay_lsn=0, lag_s=lag_s, unreplayed_bytes=behind)


def conditions_in(reading, *windows: ReplicaWindow, expected=(), stopped=NOTHING, **changed):
    state = ThrottleState(replica_windows=windows, expected=frozenset(expected), stopped=stopped)
    return find_stop_conditions(limits(**changed), reading, state)


def reasons(found) -> list[str]:
    return [str(condition.reason) for condition in found]


def keys(found) -> frozenset[ConditionKey]:
    return frozenset(condition.key for condition in found)
