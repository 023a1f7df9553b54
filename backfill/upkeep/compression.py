"""Whether full-page images are compressed in our own transactions: while WAL is what limits us, and not while time is.

Compression trades the server's CPU for WAL. What limited a batch tells which of the two is short. The turn takes some
batches of one mind, and a way back that proves wrong takes longer each time: with compression WAL may be what limits
us no more, and be so again at once without it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from backfill.throttle import row_cost as costs
from backfill.throttle.row_cost import RowCost

METHODS = ("zstd", "lz4", "pglz")
"""Values of `wal_compression`, the best first. Before PostgreSQL 15 it is `on` or `off`, and `on` is the last."""
NOT_WAL_BOUND = frozenset({"max_rows", "target_time"})
"""What limits a batch while WAL does not."""
INCONCLUSIVE = "blocked sessions"
START_AFTER = 16
"""Batches that WAL limited, beyond those that it did not, until compression begins."""
PATIENCE, PATIENCE_MAX = 64, 4096
"""Batches that WAL did not limit, beyond those that it did, until compression ends."""


@dataclass(frozen=True, slots=True)
class CompressionState:
    """What is remembered of the batches: which way they lean, and how many there were since the last turn.

    `plain` is what a row cost before its images were compressed, None while they are not.
    """

    on: bool = False
    balance: int = 0
    batches: int = 0
    patience: int = PATIENCE
    plain: RowCost | None = None


def best_method(methods: Collection[str]) -> str:
    """Return the best of the methods that a server has; it names none where there is but one."""
    return next((one for one in METHODS if one in methods), METHODS[-1])


def limited_by_wal(limited_by: str, *, paced: bool) -> bool | None:
    """Return whether WAL limited a batch; `paced` is one that waited for a window or its rate. None: it tells neither.

    Whatever limits a batch and is neither its rows, its time nor other sessions is a replica's window or the rate.
    """
    if paced:
        return True
    return None if limited_by == INCONCLUSIVE else limited_by not in NOT_WAL_BOUND


def after_batch(before: CompressionState, cost: RowCost, *, wal_bound: bool | None) -> tuple[CompressionState, RowCost]:
    """Return whether the next batch compresses, and what a row of it is expected to cost, after one more batch."""
    if wal_bound is None:
        return before, cost
    balance, batches = before.balance + (1 if wal_bound else -1), before.batches + 1
    if before.on:
        if balance <= -before.patience:
            return switched_off(before, cost)
        return replace(before, balance=min(balance, 0), batches=batches), cost
    if balance >= START_AFTER:
        return replace(before, on=True, balance=0, batches=0, plain=cost), cost
    patience = PATIENCE if batches >= before.patience else before.patience
    return replace(before, balance=max(balance, 0), batches=batches, patience=patience), cost


def switched_off(before: CompressionState, cost: RowCost) -> tuple[CompressionState, RowCost]:
    """Return the memory without compression, and a row's cost: at least what it was before."""
    if before.plain is not None:
        cost = costs.at_least(cost, before.plain)
    return CompressionState(patience=min(2 * before.patience, PATIENCE_MAX)), cost
