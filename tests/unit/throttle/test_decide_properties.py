"""What `decide` never does, whatever the reading and the memory."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from backfill.throttle import batch_size, decide
from backfill.throttle.decide import POLL_MIN_S
from backfill.throttle.decision_values import Run, Wait
from backfill.throttle.row_cost import RowCost
from backfill.throttle.state import ThrottleState
from tests.factories import MB, archiver, batch, limits, replica, signals, slot

NAMES = ("replica-a", "replica-b", "dr-1")
LSN = st.integers(0, 1 << 40)

LIMITS = st.builds(
    limits,
    max_lag=st.sampled_from(["100ms", "1s", "10s", "1h"]),
    max_lag_bytes=st.sampled_from(["1MB", "256MB", "1TB"]),
    max_wal_rate=st.sampled_from(["16kB/s", "4MB/s", "1TB/s"]),
    replicas=st.sampled_from(
        [{}, {"require": ["replica-a"]}, {"ignore": ["dr-*"]}, {"min": 2, "require": ["replica-b"], "ignore": ["dr-*"]}]
    ),
)
BATCHES = st.integers(1, 20_000).flatmap(
    lambda rows: st.builds(
        lambda low, high: batch(rows=rows, min_rows=min(low, rows), max_rows=rows + high),
        st.integers(1, 20_000),
        st.integers(0, 20_000),
    )
)
REPLICAS = st.lists(
    st.builds(replica, st.sampled_from(NAMES), st.one_of(st.none(), LSN)), unique_by=lambda one: one.name, max_size=3
)
READINGS = st.builds(
    lambda after_s, lsn, visible, replicas, kept, backlog: (
        after_s,
        signals(
            0.0,
            lsn,
            *replicas,
            visible=visible,
            slots=tuple(slot(retained_bytes=one) for one in kept),
            archiver=None if backlog is None else archiver(backlog),
        ),
    ),
    st.floats(0.0, 20.0),
    LSN,
    st.booleans(),
    REPLICAS,
    st.lists(st.one_of(st.none(), LSN), max_size=2),
    st.one_of(st.none(), LSN),
)
COSTS = st.builds(RowCost, st.floats(1.0, 1e7), st.floats(1.0, 1e7), st.one_of(st.none(), st.floats(1e-8, 1.0)))


def at(reading, at_s: float):
    return replace(reading, at_s=at_s)


@given(LIMITS, BATCHES, COSTS, st.lists(READINGS, min_size=1, max_size=12), st.integers(0, 7))
def test_run_means_that_everything_was_seen_and_under_its_limit(law, size, cost, readings, stripe: int):
    throttle_state, now_s, seen = ThrottleState(cost=cost), 0.0, set()
    for after_s, reading in readings:
        now_s += after_s
        decision, throttle_state = decide.decide(law, size, throttle_state, at(reading, now_s), stripe)
        counted = [one for one in reading.replicas if not (one.name == "dr-1" and law.replicas.ignore)]
        seen |= {one.name for one in counted if one.replay_lsn is not None}
        match decision:
            case Run(rows):
                assert 1 <= rows <= size.max_rows
                assert reading.visible
                assert all(one.replay_lsn is not None for one in counted)
                assert {*seen, *law.replicas.require} <= {one.name for one in reading.replicas}
                assert len(counted) >= law.replicas.min_count
                assert all(
                    one.lag_s <= law.max_lag_s and one.unreplayed_bytes <= law.max_lag_bytes
                    for one in throttle_state.replica_windows
                )
                assert all((one.retained_bytes or 0) <= law.max_slot_retained_bytes for one in reading.slots)
                assert reading.archiver is None or reading.archiver.backlog_bytes <= law.max_archive_backlog_bytes
            case Wait(delay_s, reason):
                assert POLL_MIN_S <= delay_s <= 1.0
                assert str(reason)


@given(LIMITS, BATCHES, COSTS, READINGS, st.integers(0, 7))
def test_the_same_reading_gives_the_same_decision(law, size, cost, reading, stripe: int):
    once = decide.decide(law, size, ThrottleState(cost=cost), reading[1], stripe)
    assert once == decide.decide(law, size, ThrottleState(cost=cost), reading[1], stripe)


@given(BATCHES, COSTS, st.lists(st.tuples(st.floats(0.001, 2.0), st.integers(0, 4 * MB)), max_size=20))
def test_an_idle_path_is_never_refused(size, cost, steps):
    """Whatever was learnt before, a path on which nothing is on the way lets something go."""
    law, throttle_state, now_s, lsn = limits(max_wal_rate="1TB/s"), ThrottleState(cost=cost), 0.0, 0
    for after_s, written in steps:
        now_s, lsn = now_s + after_s, lsn + written
        _, throttle_state = decide.decide(
            law, size, throttle_state, signals(now_s, lsn, replica("replica-a", max(0, lsn - written))), 0
        )
    decision, _ = decide.decide(law, size, throttle_state, signals(now_s + 0.1, lsn, replica("replica-a", lsn)), 0)
    assert isinstance(decision, Run)


@given(LIMITS, BATCHES, COSTS, st.integers(0, 7))
def test_what_is_wished_before_the_reading_is_within_the_jobs_limits(law, size, cost, stripe: int):
    assert 1 <= batch_size.next_batch_rows(law, size, ThrottleState(cost=cost), stripe).rows <= size.max_rows
