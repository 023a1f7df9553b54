"""Whose WAL it was: nothing is charged twice, and all that was written while somebody worked is charged."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from backfill.throttle.wal_attribution import WalAttribution, advance_to, close_batch, open_batch


def test_a_lane_alone_is_charged_all():
    attribution = open_batch(WalAttribution(), 0, 1000)
    assert close_batch(attribution, 0, 1500)[0] == 500


def test_two_that_work_at_the_same_time_share():
    attribution = open_batch(open_batch(WalAttribution(), 0, 1000), 1, 1100)
    first, attribution = close_batch(attribution, 0, 1300)
    second, _ = close_batch(attribution, 1, 1350)
    assert (first, second) == (200, 150)


def test_wal_written_while_no_batch_is_open_belongs_to_no_lane():
    first, attribution = close_batch(open_batch(WalAttribution(), 0, 1000), 0, 1200)
    second, _ = close_batch(open_batch(attribution, 0, 9000), 0, 9100)
    assert (first, second) == (200, 100)


def test_a_batch_that_failed_leaves_its_share_uncharged():
    attribution = open_batch(open_batch(WalAttribution(), 0, 1000), 1, 1000)
    _, attribution = close_batch(attribution, 0, None)
    assert close_batch(attribution, 1, 1400)[0] == 400


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.integers(0, 1000)), max_size=40))
def test_no_byte_is_charged_twice(steps: list[tuple[int, bool, int]]):
    attribution, position, charged, opened = WalAttribution(position=5000), 5000, 0, set[int]()
    worked = 0
    for lane, opens, grown in steps:
        position += grown
        worked += grown if opened else 0
        attribution = advance_to(attribution, position)
        if opens:
            attribution, opened = (
                open_batch(attribution, lane, position) if lane not in opened else attribution,
                opened | {lane},
            )
        elif lane in opened:
            taken, attribution = close_batch(attribution, lane, position)
            charged, opened = charged + taken, opened - {lane}
    for lane in opened:
        taken, attribution = close_batch(attribution, lane, position)
        charged += taken
    assert worked - len(steps) - 4 <= charged <= worked
