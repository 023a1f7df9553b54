"""What is remembered of transactions that left rows matching: the last ones, as `xmin` shows them, and until ids recur."""

from __future__ import annotations

from dataclasses import replace

from backfill.table.checkpoint import Checkpoint
from backfill.table.unconverged_xids import XID_EPOCH, XIDS_MAX, is_full, parameter, remember


def after(*xids: int, lanes: int = 1) -> Checkpoint:
    checkpoint = Checkpoint(end_page=1, lanes=lanes)
    for xid in xids:
        checkpoint = replace(checkpoint, unconverged_xids=remember(checkpoint, xid))
    return checkpoint


def test_transactions_are_remembered_in_order():
    assert after(700, 705, 709).unconverged_xids == (700, 705, 709)
    assert not is_full([after(700, 705)])


def test_the_last_ones_are_kept_and_a_lane_with_no_room_says_so():
    full = after(*range(1, XIDS_MAX + 2))
    assert full.unconverged_xids == tuple(range(2, XIDS_MAX + 2))
    assert is_full([after(1), full])
    half = after(*range(1, XIDS_MAX), lanes=2)
    assert len(half.unconverged_xids) == XIDS_MAX // 2
    assert is_full([half])


def test_an_id_whose_lower_half_comes_again_is_forgotten():
    assert after(700, 700 + XID_EPOCH).unconverged_xids == (700 + XID_EPOCH,)


def test_a_row_shows_the_lower_half_of_an_id():
    assert parameter((700, XID_EPOCH + 701)) == ["700", "701"]
