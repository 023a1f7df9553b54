"""When our full-page images are compressed: the law, and the run that follows it and tells."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfill.engine.upkeep.compression import REVOKED, CompressionSwitch
from backfill.events.batch import CompressionChanged
from backfill.throttle.row_cost import RowCost
from backfill.throttle.state import ThrottleState
from backfill.upkeep.compression import (
    METHODS,
    PATIENCE,
    PATIENCE_MAX,
    START_AFTER,
    CompressionState,
    after_batch,
    best_method,
    limited_by_wal,
)
from backfill.values.compression_support import ServerSupport
from tests.factories import job

COST = RowCost(first_wal_bytes=600.0, later_wal_bytes=400.0, row_s=1e-5)
GRANT = "role 'worker' may not set wal_compression; run: GRANT SET ON PARAMETER wal_compression TO worker;"
BY_WAL, BY_TIME = "window of replica-a", "target_time"
SIGNS = st.lists(st.sampled_from([True, False, None]), max_size=4 * PATIENCE)


def after(*signs: bool | None, memory: CompressionState = CompressionState(), cost: RowCost = COST) -> CompressionState:  # noqa: B008
    for sign in signs:
        memory, cost = after_batch(memory, cost, wal_bound=sign)
    return memory


@pytest.mark.parametrize(
    ("methods", "expected"),
    [
        (["pglz", "lz4", "zstd", "on", "off"], "zstd"),
        (["pglz", "lz4", "on", "off"], "lz4"),
        (["pglz", "on", "off"], "pglz"),
        ([], "pglz"),
    ],
)
def test_the_best_method_is_taken(methods: list[str], expected: str):
    assert best_method(methods) == expected
    assert best_method(METHODS) == "zstd"


@pytest.mark.parametrize("limited_by", ["rate", "window of replica-a", "min_rows", "a is idle", "others fill a"])
def test_whatever_is_of_the_wal_presses(limited_by: str):
    assert limited_by_wal(limited_by, paced=False) is True


@pytest.mark.parametrize("limited_by", ["max_rows", "target_time"])
def test_rows_and_time_do_not_press_unless_the_batch_waited_for_its_pace(limited_by: str):
    assert limited_by_wal(limited_by, paced=False) is False
    assert limited_by_wal(limited_by, paced=True) is True


def test_other_sessions_are_no_sign():
    assert limited_by_wal("blocked sessions", paced=False) is None


def test_it_begins_after_so_many_batches_that_wal_limited():
    assert not after(*[True] * (START_AFTER - 1)).on
    assert after(*[True] * START_AFTER).on


def test_it_ends_after_so_many_that_wal_did_not_limit():
    on = after(*[True] * START_AFTER)
    assert after(*[False] * (PATIENCE - 1), memory=on).on
    assert not after(*[False] * PATIENCE, memory=on).on


@given(st.booleans(), st.integers(0, 8 * PATIENCE))
def test_batches_by_turns_change_nothing(on: bool, count: int):
    memory = after(*[True] * START_AFTER) if on else CompressionState()
    assert after(*[place % 2 == 0 for place in range(count)], memory=memory).on is on


@given(SIGNS)
def test_no_two_turns_are_near_each_other(signs: list[bool | None]):
    memory, last, turns = CompressionState(), 0, []
    for place, sign in enumerate(signs, 1):
        before, (memory, _) = memory, after_batch(memory, COST, wal_bound=sign)
        if memory.on != before.on:
            turns.append((memory.on, place - last))
            last = place
    assert all(span >= (START_AFTER if on else PATIENCE) for on, span in turns)
    assert [on for on, _ in turns] == [place % 2 == 0 for place in range(len(turns))]


@given(SIGNS)
def test_what_is_no_sign_changes_nothing(signs: list[bool | None]):
    assert after(*signs) == after(*(sign for sign in signs if sign is not None))


@given(SIGNS)
def test_enough_of_one_sign_decides_whatever_was_before(signs: list[bool | None]):
    memory = after(*signs)
    assert after(*[True] * START_AFTER, memory=memory).on
    assert not after(*[False] * PATIENCE_MAX, memory=memory).on


def test_a_way_back_that_proves_wrong_takes_twice_as_long_the_next_time():
    memory, spans = after(*[True] * START_AFTER), []
    for _ in range(9):
        span = 0
        while memory.on:
            memory, span = after(False, memory=memory), span + 1
        spans.append(span)
        memory = after(*[True] * START_AFTER, memory=memory)
    assert spans == [min(PATIENCE * 2**place, PATIENCE_MAX) for place in range(9)]


def test_a_way_back_that_proves_right_is_forgotten():
    ended = after(*[False] * PATIENCE, memory=after(*[True] * START_AFTER))
    assert ended.patience == 2 * PATIENCE
    assert after(*[False] * 2 * PATIENCE, memory=ended).patience == PATIENCE


def test_without_it_a_row_costs_at_least_what_it_did_before_it():
    memory, cost = CompressionState(), COST
    for _ in range(START_AFTER):
        memory, cost = after_batch(memory, cost, wal_bound=True)
    assert cost == COST
    cost = RowCost(first_wal_bytes=200.0, later_wal_bytes=900.0, row_s=2e-5)
    for _ in range(PATIENCE):
        memory, cost = after_batch(memory, cost, wal_bound=False)
    assert cost == RowCost(first_wal_bytes=600.0, later_wal_bytes=900.0, row_s=2e-5)


class Run:
    """A compressor, and what it told."""

    def __init__(self, mode: str, support: ServerSupport) -> None:
        self.told: list[Any] = []
        self.compressor = CompressionSwitch(job(wal_compression=mode), self.told.append)
        self.compressor.begin(support)
        self.throttle_state = ThrottleState(cost=COST)

    def weigh(self, limited_by: str, times: int) -> None:
        for _ in range(times):
            self.throttle_state = self.compressor.after_admission(self.throttle_state, limited_by, paced=False)

    @property
    def changes(self) -> list[tuple[str | None, str]]:
        assert all(isinstance(one, CompressionChanged) for one in self.told)
        return [(one.method, one.why) for one in self.told]


def test_auto_compresses_while_wal_limits_and_records_both_switches():
    run = Run("auto", ServerSupport("zstd"))
    run.weigh(BY_WAL, START_AFTER)
    assert run.compressor.method == "zstd"
    run.weigh(BY_TIME, PATIENCE)
    assert run.compressor.method is None
    assert run.changes == [("zstd", "WAL limits the job"), (None, "WAL no longer limits the job")]


def test_on_compresses_whatever_limits():
    run = Run("on", ServerSupport("lz4"))
    run.weigh(BY_TIME, PATIENCE)
    assert (run.compressor.method, run.changes) == ("lz4", [("lz4", "as the job file says")])


def test_off_never_does():
    run = Run("off", ServerSupport(why="the job file says wal_compression: off"))
    run.weigh(BY_WAL, 4 * START_AFTER)
    assert (run.compressor.method, run.changes) == (None, [])


def test_a_server_that_compresses_by_itself_is_recorded_and_left_alone():
    run = Run("auto", ServerSupport(already="pglz"))
    run.weigh(BY_WAL, 4 * START_AFTER)
    assert (run.compressor.method, run.changes) == (None, [("pglz", "the server's own setting")])


def test_a_missing_right_to_compress_is_recorded_once_with_its_grant():
    run = Run("auto", ServerSupport(why=GRANT))
    run.weigh(BY_TIME, PATIENCE)
    assert run.changes == []
    for _ in range(2):
        run.weigh(BY_WAL, START_AFTER)
        run.weigh(BY_TIME, 4 * PATIENCE)
    assert (run.compressor.method, run.changes, run.throttle_state.cost) == (None, [(None, GRANT)], COST)


@pytest.mark.parametrize("mode", ["auto", "on"])
def test_a_revoked_right_is_recorded_once_and_ends_compression(mode: str):
    run = Run(mode, ServerSupport("zstd"))
    run.weigh(BY_WAL, START_AFTER)
    run.throttle_state = ThrottleState(cost=RowCost(100.0, 100.0, 1e-5))
    for _ in range(2):
        run.throttle_state = run.compressor.on_refused(run.throttle_state)
        run.weigh(BY_WAL, 2 * START_AFTER)
    assert run.compressor.method is None
    assert run.changes[1:] == [(None, REVOKED)]
    assert run.throttle_state.cost.first_wal_bytes == (600.0 if mode == "auto" else 100.0)


def test_a_new_session_goes_on_and_says_nothing_again():
    run = Run("auto", ServerSupport("zstd"))
    run.weigh(BY_WAL, START_AFTER)
    run.compressor.begin(ServerSupport("zstd"))
    assert (run.compressor.method, len(run.told)) == ("zstd", 1)
