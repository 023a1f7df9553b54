from __future__ import annotations

import pytest

from backfill.throttle.replica_window import ReplicaWindow
from backfill.throttle.signals import ProbeAnswer, ReplicationSlot, Upkeep
from backfill.throttle.stop_conditions import BUDGET_SHARE, RESUME_SHARE, counted, find_stop_conditions
from backfill.throttle.wait_reason import ConditionKey, WaitKind
from tests.factories import MB, archiver, limits, replica, signals, slot

NOTHING: frozenset[ConditionKey] = frozenset()


def replica_window(name: str = "replica-a", lag_s: float = 0.0, behind: int = 0) -> ReplicaWindow:
    return ReplicaWindow(name, 0, lag_s, behind)


def told(found) -> list[str]:
    return [str(fault.reason) for fault in found]


def over(found) -> frozenset[ConditionKey]:
    return frozenset(fault.signal for fault in found)


def faults_of(reading, *replica_windows: ReplicaWindow, expected=NOTHING, stopped=NOTHING, **changed):
    return find_stop_conditions(limits(**changed), reading, replica_windows, frozenset(expected), stopped)


def test_a_healthy_reading_has_no_fault():
    reading = signals(0.0, 0, replica(), slots=(slot(),), archiver=archiver())
    assert faults_of(reading, replica_window(), expected={"replica-a"}) == ()


def test_hidden_replication_is_the_only_fault_told():
    found = faults_of(signals(visible=False), replica_window(lag_s=99.0))
    assert told(found) == ["replication is hidden from this role: it lacks pg_monitor"]
    assert found[0].reason.kind is WaitKind.BLIND


def test_a_replica_that_was_counted_on_and_is_not_there_is_missing():
    found = faults_of(signals(0.0, 0, replica("replica-b")), expected={"replica-a", "replica-b"})
    assert told(found) == ["replica-a is not replicating: it is not in pg_stat_replication"]
    assert found[0].reason.kind is WaitKind.MISSING


def test_too_few_replicas_are_missing_whatever_their_names():
    found = faults_of(signals(0.0, 0, replica("dr-1"), replica("a")), replicas={"min": 2, "ignore": ["dr-*"]})
    assert told(found) == ["replicas 1 < 2 (throttle.replicas.min)"]


@pytest.mark.parametrize(("state", "words"), [("catchup", "catchup"), (None, "unknown")])
def test_an_unknown_position_is_not_zero_lag(state: str | None, words: str):
    found = faults_of(signals(0.0, 0, replica("replica-a", None, state)))
    assert told(found) == [f"replica-a replay position unknown (state {words})"]
    assert found[0].reason.kind is WaitKind.BLIND


def test_an_ignored_replica_may_be_anything():
    ignored = {"ignore": ["dr-*"]}
    assert faults_of(signals(0.0, 0, replica("dr-1", None)), replicas=ignored) == ()
    assert not counted(limits(replicas=ignored), "dr-1")
    assert counted(limits(replicas=ignored), "replica-a")


def test_nothing_starts_near_the_lag_budget():
    reading = signals(0.0, 0, replica())
    assert faults_of(reading, replica_window(lag_s=10 * BUDGET_SHARE)) == ()
    assert told(faults_of(reading, replica_window(lag_s=9.4))) == ["replica-a lag 9.4s > 9s"]


def test_nothing_starts_near_the_bytes_budget():
    reading = signals(0.0, 0, replica())
    assert faults_of(reading, replica_window(behind=9 * MB), max_lag_bytes="10MB") == ()
    assert told(faults_of(reading, replica_window(behind=9 * MB + 1), max_lag_bytes="10MB")) == [
        "replica-a lag 9MB > 9MB"
    ]


def test_the_worst_replica_is_told_first():
    found = faults_of(signals(), replica_window("a", 20.0), replica_window("b", 40.0))
    assert [text.split()[0] for text in told(found)] == ["b", "a"]


def test_a_slot_that_keeps_too_much_is_a_fault_and_an_unknown_one_is_not():
    kept = [slot("a", retained_bytes=11 << 30), slot("b", retained_bytes=None), slot("c", retained_bytes=10 << 30)]
    assert told(faults_of(signals(slots=tuple(kept)))) == ["slot a retains 11GB > 10GB"]


def test_a_lost_slot_is_a_fault_whatever_it_keeps():
    found = faults_of(signals(slots=(slot("a", "lost", None),)))
    assert told(found) == ["slot a is lost: its consumer must be rebuilt or the slot dropped"]


def test_an_archiver_behind_is_a_fault_that_says_whether_it_fails():
    assert told(faults_of(signals(archiver=archiver(2 << 30)))) == ["archiver backlog 2GB > 1GB"]
    failing = faults_of(signals(archiver=archiver(2 << 30, failing=True)))
    assert told(failing) == ["archiver backlog 2GB > 1GB (its last try failed)"]
    assert faults_of(signals(archiver=archiver(0, failing=True))) == ()


CROSSINGS = [
    (lambda level: (signals(), (replica_window(lag_s=9 * level),)), "lag"),
    (lambda level: (signals(), (replica_window(behind=int(0.9 * 256 * MB * level)),)), "lag_bytes"),
    (lambda level: (signals(slots=(slot(retained_bytes=int(level * (10 << 30))),)), ()), "slot"),
    (lambda level: (signals(archiver=archiver(int(level * (1 << 30)))), ()), "archive"),
]


@pytest.mark.parametrize(("at", "kind"), CROSSINGS, ids=[kind for _, kind in CROSSINGS])
def test_once_over_a_signal_has_to_come_back_to_half_of_its_limit(at, kind: str):
    stopped = NOTHING
    seen = []
    for level in (0.99, 1.01, 0.99, RESUME_SHARE + 0.01, RESUME_SHARE - 0.01, 0.99):
        reading, replica_windows = at(level)
        found = faults_of(reading, *replica_windows, stopped=stopped)
        seen.append([str(fault.reason.kind) for fault in found])
        stopped = over(found)
    assert seen == [[], [kind], [kind], [kind], [], []]


def test_a_fault_does_not_halve_the_limits_of_other_signals():
    """A slot that is steadily above half of its limit would hold a job for ever after one moment of lag."""
    kept = (slot("logical", retained_bytes=6 << 30), slot("other", retained_bytes=11 << 30))
    stopped = over(faults_of(signals(slots=kept), replica_window(lag_s=20.0)))
    assert faults_of(signals(slots=kept[:1]), replica_window(), stopped=stopped) == ()


def slots_of(**changed):
    return signals(slots=(ReplicationSlot("debezium", **{"wal_status": "reserved", "retained_bytes": 0, **changed}),))


def test_a_consumer_that_confirms_too_little_is_a_fault():
    assert faults_of(slots_of(unconfirmed_bytes=1024 * MB)) == ()
    found = faults_of(slots_of(unconfirmed_bytes=1025 * MB))
    assert told(found) == ["slot debezium lag 1GB > 1GB"]
    assert told(faults_of(slots_of(unconfirmed_bytes=600 * MB), stopped=over(found))) == [
        "slot debezium lag 600MB > 512MB"
    ]


def test_a_slot_that_runs_out_of_what_it_may_keep_is_a_fault_until_it_has_twice_that():
    assert faults_of(slots_of(retained_bytes=800 * MB, safe_bytes=100 * MB)) == ()
    found = faults_of(slots_of(retained_bytes=900 * MB, safe_bytes=90 * MB))
    assert told(found) == ["slot debezium will be lost: 90MB left of max_slot_wal_keep_size"]
    assert faults_of(slots_of(retained_bytes=850 * MB, safe_bytes=150 * MB), stopped=over(found))
    assert not faults_of(slots_of(retained_bytes=750 * MB, safe_bytes=250 * MB), stopped=over(found))


def test_a_slot_that_the_next_checkpoint_removes_is_a_fault():
    found = faults_of(slots_of(wal_status="unreserved", safe_bytes=-5 * MB))
    assert told(found) == ["slot debezium will be lost: -5MB left of max_slot_wal_keep_size"]


def test_an_archiver_whose_last_try_failed_is_a_fault_as_long_as_something_waits_for_it():
    assert faults_of(signals(archiver=archiver(0, failing=True))) == ()
    found = faults_of(signals(archiver=archiver(16 * MB, failing=True)))
    assert told(found) == ["archiver fails: its last try did, 16MB wait for it"]
    assert found[0].reason.kind is WaitKind.ARCHIVE


def test_a_vacuum_that_prevents_wraparound_goes_first():
    found = faults_of(signals(upkeep=Upkeep(vacuum="users")))
    assert told(found) == ["users is vacuumed to prevent wraparound"]
    assert found[0].reason.kind is WaitKind.VACUUM


def test_an_old_snapshot_and_dead_tuples_are_told_and_stop_nothing():
    assert faults_of(signals(upkeep=Upkeep(dead_tuples=10**9, oldest_snapshot_s=86400.0))) == ()


def test_a_probe_over_its_limit_is_a_fault_and_an_unknown_one_is_blindness():
    found = faults_of(
        signals(
            probes=(ProbeAnswer("active", 50.0, 50.0), ProbeAnswer("cpu", 0.8, 0.93), ProbeAnswer("x", 1, None, "gone"))
        )
    )
    assert told(found) == ["probe cpu 0.93 > 0.8", "probe x unknown: gone"]
    assert [one.reason.kind for one in found] == [WaitKind.PROBE, WaitKind.BLIND]
