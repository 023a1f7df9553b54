"""Our transactions that left rows matching `where`: those rows are ours, and are not updated a second time.

A row's `xmin` says which transaction wrote it. Rows that others write between have another one, and are met as any
other. Few batches of a sane job leave such rows, so the last of them are remembered, with the checkpoint, and no more:
if there were more, no further pass begins, as it might update a row twice.
"""

from __future__ import annotations

from collections.abc import Iterable

from backfill.table.checkpoint import Checkpoint

XIDS_MAX = 10_000
"""Transactions that are remembered, of all lanes together."""
XID_EPOCH = 2**32
"""A row keeps the lower half of a transaction id, so that it means another one after so many."""
XIDS_REUSED_SOON = 2**24


def remember(checkpoint: Checkpoint, xid: int) -> tuple[int, ...]:
    """Return what a lane remembers after another transaction: the last ones, without those whose ids come again."""
    oldest = xid - XID_EPOCH + XIDS_REUSED_SOON
    kept = (*(known for known in checkpoint.unconverged_xids if known > oldest), xid)
    return kept[-_most(checkpoint) :]


def is_full(checkpoints: Iterable[Checkpoint]) -> bool:
    """Whether a lane may have forgotten a transaction."""
    return any(len(checkpoint.unconverged_xids) >= _most(checkpoint) for checkpoint in checkpoints)


def parameter(xids: Iterable[int]) -> list[str]:
    """Return transactions as `xmin` shows them."""
    return [str(xid % XID_EPOCH) for xid in xids]


def _most(checkpoint: Checkpoint) -> int:
    return max(1, XIDS_MAX // checkpoint.lanes)
