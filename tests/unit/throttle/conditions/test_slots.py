"""Slots stop the job when they are lost, run out of room or retain too much; an unknown size alone does not."""

from backfill.throttle.signals import ReplicationSlot
from tests.factories import MB, signals, slot
from tests.unit.throttle.conditions.found import conditions_in, keys, reasons


def test_a_slot_that_retains_too_much_stops_the_job_and_an_unknown_size_does_not():
    kept = [slot("a", retained_bytes=11 << 30), slot("b", retained_bytes=None), slot("c", retained_bytes=10 << 30)]
    assert reasons(conditions_in(signals(slots=tuple(kept)))) == ["slot a retains 11GB > 10GB"]


def test_a_lost_slot_stops_the_job_whatever_it_retains():
    found = conditions_in(signals(slots=(slot("a", "lost", None),)))
    assert reasons(found) == ["slot a is lost: rebuild its consumer or drop the slot"]


def slots_of(**changed):
    return signals(
        slots=(ReplicationSlot(name="debezium", **{"wal_status": "reserved", "retained_bytes": 0, **changed}),)
    )


def test_a_consumer_that_confirms_too_little_stops_the_job():
    assert conditions_in(slots_of(unconfirmed_bytes=1024 * MB)) == ()
    found = conditions_in(slots_of(unconfirmed_bytes=1025 * MB))
    assert reasons(found) == ["slot debezium lag 1GB > 1GB"]
    assert reasons(conditions_in(slots_of(unconfirmed_bytes=600 * MB), stopped=keys(found))) == [
        "slot debezium lag 600MB > 512MB (after a stop, half of the limit)"
    ]


def test_a_slot_that_runs_out_of_room_stops_the_job_until_it_has_twice_the_room():
    assert conditions_in(slots_of(retained_bytes=800 * MB, safe_bytes=100 * MB)) == ()
    found = conditions_in(slots_of(retained_bytes=900 * MB, safe_bytes=90 * MB))
    assert reasons(found) == ["slot debezium will be lost: 90MB left of max_slot_wal_keep_size"]
    assert conditions_in(slots_of(retained_bytes=850 * MB, safe_bytes=150 * MB), stopped=keys(found))
    assert not conditions_in(slots_of(retained_bytes=750 * MB, safe_bytes=250 * MB), stopped=keys(found))


def test_a_slot_that_the_next_checkpoint_removes_stops_the_job():
    found = conditions_in(slots_of(wal_status="unreserved", safe_bytes=-5 * MB))
    assert reasons(found) == ["slot debezium will be lost: -5MB left of max_slot_wal_keep_size"]
