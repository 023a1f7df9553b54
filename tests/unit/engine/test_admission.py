"""The gate: what it tells, what it saves, how long it waits; the law itself is `core.throttle`'s."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from backfill.engine.admission.control import AdmissionControl
from backfill.engine.admission.readings import MEASURE_SPACING_S
from backfill.engine.admission.wait_persistence import SAVE_SPACING_S
from backfill.engine.upkeep.maintenance import Maintenance
from backfill.events.batch import CompressionChanged
from backfill.events.history.span import HistorySpan
from backfill.events.throttle import NoReplicas, SignalsRead, WaitStarted
from backfill.jobfile.job import Job
from backfill.table.batch import Committed
from backfill.table.checkpoint import Checkpoint
from backfill.throttle.conditions.seen_replicas import SeenReplica
from backfill.throttle.decide import STOPPED_POLL_S
from backfill.throttle.decision_values import Admission
from backfill.throttle.signals import Upkeep
from backfill.throttle.wait_reason import WaitKind
from backfill.upkeep.compression import START_AFTER
from backfill.values.compression_support import ServerSupport
from backfill.values.errors import Stopped
from tests.factories import MB, archiver, job, replica, signals, slot
from tests.fake_database import Clock

SEEN = SeenReplica(name="replica-a", application_name="replica-a")


class Script:
    """A session whose readings are a function of the time."""

    def __init__(self, clock: Clock, reading) -> None:
        self.clock, self.reading = clock, reading
        self.reads = 0
        self.spans: list[HistorySpan] = []
        self.saved: list[tuple[float, str | None, frozenset[str]]] = []

    async def read_signals(self):
        self.reads += 1
        return self.reading(self.clock.now_s)

    async def read_request(self):
        return self.reading(self.clock.now_s).request

    async def save_history(self, span):
        self.spans.append(span)

    async def save_wait(self, reason, replicas_seen):
        self.saved.append((self.clock.now_s, str(reason) if reason else None, replicas_seen))


class Door:
    """A gate before such a session."""

    def __init__(self, reading, **throttle) -> None:
        self.clock = Clock()
        self.events: list[Any] = []
        self.session: Any
        self.session = Script(self.clock, reading)
        self.control: AdmissionControl
        self.maintenance: Maintenance
        self.use(job(throttle=throttle))

    def use(self, job: Job) -> None:
        runtime = self.clock.runtime(self.events.append)
        self.maintenance = Maintenance(job, runtime)
        self.control = AdmissionControl(job, runtime, self.maintenance)

    def admit(self) -> Admission:
        return asyncio.run(self.control.admit(self.session, Checkpoint(end_page=1)))

    def told(self, kind):
        return [event for event in self.events if isinstance(event, kind)]


def healthy(at_s: float):
    return signals(at_s, 1 << 30, replica("replica-a", 1 << 30))


def missing_until(end_s: float):
    """Return readings in which the replica comes back at `end_s`."""
    return lambda at_s: healthy(at_s) if at_s >= end_s or at_s == Clock().now_s else signals(at_s, 1 << 30)


def test_a_healthy_reading_lets_a_batch_go_at_once():
    door = Door(healthy)
    admission = door.admit()
    assert admission.rows > 0
    assert (door.session.reads, door.told(WaitStarted), admission.waited_s) == (1, [], 0.0)


def test_a_wait_is_reported_counted_and_slept_until_its_reason_is_gone():
    door = Door(missing_until(Clock().now_s + 3))
    door.admit()
    door.clock.now_s += 1
    began_s = door.clock.now_s
    admission = door.admit()
    waits = door.told(WaitStarted)
    assert {str(one.reason).partition(";")[0] for one in waits} == {
        "replica-a is not connected (missing from pg_stat_replication)"
    }
    assert sum(one.delay_s for one in waits) == admission.waited_s == door.clock.now_s - began_s == 2.0
    assert (admission.waited_for or "").startswith("replica-a is not connected (missing from pg_stat_replication)")


def test_the_next_admission_forgets_the_last_wait():
    door = Door(missing_until(Clock().now_s + 3))
    door.admit()
    door.clock.now_s += 1
    door.admit()
    admission = door.admit()
    assert (admission.waited_s, admission.waited_for) == (0.0, None)


def test_a_wait_never_ends_in_a_batch_by_itself():
    door = Door(lambda at_s: signals(at_s, visible=False))
    door.clock.stop_at_s = door.clock.now_s + 900
    with pytest.raises(Stopped):
        door.admit()


def test_a_wait_ends_at_once_when_we_are_to_stop():
    door = Door(lambda at_s: signals(at_s, visible=False))
    door.clock.stop_at_s = door.clock.now_s + 1.1
    with pytest.raises(Stopped):
        door.admit()
    assert len(door.told(WaitStarted)) == 5


def test_a_fault_is_saved_at_once_then_each_second_and_cleared_at_its_end():
    door = Door(missing_until(Clock().now_s + 4))
    door.admit()
    door.clock.now_s += 1
    began_s = door.clock.now_s
    door.admit()
    faults = [at_s - began_s for at_s, reason, _ in door.session.saved if reason]
    assert faults == [0.0, SAVE_SPACING_S, 2 * SAVE_SPACING_S]
    assert door.session.saved[-1][1] is None


def test_the_ordinary_pace_is_not_saved():
    full = signals(0.0, 1 << 30, replica("replica-a", (1 << 30) - MB))
    door = Door(lambda at_s: signals(at_s, 1 << 30, *full.replicas) if at_s < 1002 else healthy(at_s))
    door.admit()
    door.admit()
    assert door.told(WaitStarted)
    assert [reason for _, reason, _ in door.session.saved] == [None]


def test_replicas_that_were_seen_are_saved_once():
    door = Door(healthy)
    for _ in range(5):
        door.admit()
        door.clock.now_s += 1
    assert [seen for _, _, seen in door.session.saved] == [(SEEN,)]


def test_replicas_that_earlier_workers_saw_are_missed_from_the_start():
    door = Door(signals)
    door.control.begin((SEEN,))
    door.clock.stop_at_s = door.clock.now_s + 1
    with pytest.raises(Stopped):
        door.admit()
    assert door.told(SignalsRead)[0].missing == ("replica-a",)


def test_a_new_session_forgets_positions_and_keeps_costs():
    door = Door(healthy)
    door.admit()
    door.control.record_cost(
        Committed(
            checkpoint=Checkpoint(end_page=1),
            rows=100,
            rows_unconverged=0,
            rows_hot=0,
            wal_bytes=50_000,
            insert_lsn=(1 << 30) + 50_000,
            took_s=0.01,
            samples=(),
        ),
        0,
    )
    learnt = door.control.throttle_state
    door.control.begin((SEEN,))
    throttle_state = door.control.throttle_state
    assert (throttle_state.cost, throttle_state.wal_debt) == (learnt.cost, learnt.wal_debt)
    assert (throttle_state.replica_windows, throttle_state.clock.lsn, throttle_state.seen) == (
        (),
        (),
        (SEEN,),
    )


def test_a_batch_is_learnt_with_the_position_behind_it():
    door = Door(healthy)
    door.admit()
    door.clock.now_s += 1
    door.control.record_cost(
        Committed(
            checkpoint=Checkpoint(end_page=1),
            rows=100,
            rows_unconverged=0,
            rows_hot=0,
            wal_bytes=200_000,
            insert_lsn=(1 << 30) + 200_000,
            took_s=0.01,
            samples=(),
        ),
        0,
    )
    assert door.control.throttle_state.cost.wal_bytes(0) == 2000
    assert door.control.throttle_state.clock.lsn[-1] == (1 << 30) + 200_000


def test_an_unreplicated_server_is_reported_once_and_never_where_replicas_are():
    door = Door(signals)
    for _ in range(3):
        door.admit()
    assert len(door.told(NoReplicas)) == 1
    seen = Door(healthy)
    seen.admit()
    assert seen.told(NoReplicas) == []


def test_a_reading_is_reported_at_most_each_tenth_of_a_second():
    door = Door(healthy)
    for _ in range(100):
        door.admit()
        door.clock.now_s += MEASURE_SPACING_S / 5
    assert len(door.told(SignalsRead)) == pytest.approx(20, abs=4)


def test_a_reading_is_reported_with_all_that_was_seen():
    reading = signals(
        1000.0,
        1 << 30,
        replica("a", (1 << 30) - MB),
        replica("dr-1", None),
        slots=(slot("s", "reserved", 5),),
        archiver=archiver(7),
    )
    door = Door(lambda _: reading, replicas={"ignore": ["dr-*"]}, max_wal_rate="1TB/s")
    asyncio.run(door.control.refresh(door.session))
    told = door.told(SignalsRead)[0]
    assert [(one.name, one.lag_bytes, one.counted) for one in told.replicas] == [("a", MB, True), ("dr-1", None, False)]
    assert told.replicas[1].lag_s is None
    values = {(reading.measure, reading.subject): (reading.value, reading.limit) for reading in told.readings}
    assert values["slot_retained_bytes", "s"] == (5, 10 << 30)
    assert values["archive_backlog_bytes", ""] == (7, 1 << 30)
    assert told.missing == ()


def test_the_worst_lag_of_the_run_is_remembered():
    lsn = 1 << 30
    door = Door(lambda at_s: signals(at_s, lsn + int(at_s - 1000) * MB, replica("a", lsn)), max_lag="1h")
    for _ in range(30):
        asyncio.run(door.control.refresh(door.session))
        door.clock.now_s += 1
    assert door.control.readings.worst_lag_s == pytest.approx(29, abs=1)
    door.session.reading = healthy
    asyncio.run(door.control.refresh(door.session))
    assert door.control.readings.worst_lag_s == pytest.approx(29, abs=1)


def test_looking_without_a_batch_keeps_the_clock_fresh_but_not_too_often():
    door = Door(healthy)
    for _ in range(10):
        asyncio.run(door.control.refresh(door.session))
        door.clock.now_s += MEASURE_SPACING_S * 0.51
    assert door.session.reads == 5


def test_a_fault_is_polled_at_its_own_pace():
    door = Door(missing_until(Clock().now_s + 2))
    door.admit()
    door.clock.now_s += 1
    door.admit()
    assert {one.delay_s for one in door.told(WaitStarted)} == {STOPPED_POLL_S}


def test_batches_that_wait_for_their_pace_begin_to_compress_and_the_next_ones_say_so():
    door = Door(healthy, max_wal_rate="16kB/s")
    door.maintenance.begin(door.control.job, ServerSupport("zstd"))
    admitted = []
    for _ in range(START_AFTER + 1):
        admitted.append(door.admit())
        door.control.record_cost(
            Committed(
                checkpoint=Checkpoint(end_page=1),
                rows=10,
                rows_unconverged=0,
                rows_hot=0,
                wal_bytes=20_000,
                insert_lsn=1 << 30,
                took_s=0.01,
                samples=(),
            ),
            0,
        )
        door.control.release(0)
        door.clock.now_s += 0.1
    assert [one.compression for one in admitted] == [None] * START_AFTER + ["zstd"]
    assert [one.inputs.compression for one in admitted] == [one.compression for one in admitted]
    assert [(one.method, one.why) for one in door.told(CompressionChanged)] == [("zstd", "WAL limits the job")]


def test_a_batch_whose_compression_was_refused_is_the_last_that_asks_for_it():
    door = Door(healthy)
    door.use(job(wal_compression="on"))
    door.maintenance.begin(door.control.job, ServerSupport("lz4"))
    assert door.admit().compression == "lz4"
    door.control.record_cost(
        Committed(
            checkpoint=Checkpoint(end_page=1),
            rows=10,
            rows_unconverged=0,
            rows_hot=0,
            wal_bytes=2000,
            insert_lsn=1 << 30,
            took_s=0.01,
            samples=(),
            compression_refused=True,
        ),
        0,
    )
    assert door.admit().compression is None
    assert [one.method for one in door.told(CompressionChanged)] == ["lz4", None]


def test_what_other_lanes_may_still_write_is_taken_from_the_budget():
    door = Door(healthy)

    def admit(lane: int) -> Admission:
        return asyncio.run(door.control.admit(door.session, Checkpoint(end_page=1, lane=lane, lanes=9)))

    door.clock.stop_at_s = door.clock.now_s + 5
    admitted = 0
    with suppress(Stopped):
        while admitted < 9:
            admitted += admit(admitted).rows > 0
    assert 0 < admitted < 9
    assert {event.reason.kind for event in door.told(WaitStarted)} == {WaitKind.WINDOW}
    door.clock.stop_at_s = float("inf")
    door.control.release(0)
    assert admit(admitted).rows > 0


def test_lanes_share_what_was_written_while_both_worked():
    door = Door(lambda at_s: signals(at_s, 1 << 30))
    for lane in range(2):
        asyncio.run(door.control.admit(door.session, Checkpoint(end_page=1, lane=lane, lanes=2)))
    assert door.control.attribute_wal(0, (1 << 30) + 1000) == 500
    assert door.control.attribute_wal(1, (1 << 30) + 1300) == 800


def test_transactions_beside_us_are_outlasted_and_long_ones_are_not():
    ages = [0.1, 0.3, 900.0]
    door = Door(lambda at_s: signals(at_s, 1 << 30, upkeep=Upkeep(oldest_snapshot_s=ages.pop())))
    for _ in range(3):
        door.admit()
        door.control.release(0)
    assert door.control.snapshots.oldest_s == 0.3


def test_a_long_wait_is_in_the_history_of_the_minutes_in_which_it_was():
    door = Door(missing_until(Clock().now_s + 400))
    door.admit()
    door.clock.now_s += 1
    door.admit()
    waited_s = [sum(span.waits.values()) for span in door.session.spans]
    assert len(waited_s) >= 6
    assert max(waited_s) <= 65
