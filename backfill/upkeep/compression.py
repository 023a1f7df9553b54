"""Whether to compress full-page images in our own transactions: while WAL is the limit, not while time is.

Compression trades the server's CPU for WAL. What limited a batch shows which of the two is short. To switch, several
batches have to agree. Each switch back that proves wrong makes the next one slower: with compression WAL may no longer
be the limit, and without it be the limit again at once.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from backfill.throttle import row_cost as costs
from backfill.throttle.row_cost import RowCost

METHODS = ("zstd", "lz4", "pglz")
"""Values of `wal_compression`, the best first. Before PostgreSQL 15 it is `on` or `off`, and `on` is pglz."""
NOT_WAL_BOUND = frozenset({"max_rows", "target_time"})
"""What limits a batch if WAL does not."""
INCONCLUSIVE = "blocked sessions"
START_AFTER = 16
"""Surplus of batches limited by WAL after which compression begins."""
PATIENCE, PATIENCE_MAX = 64, 4096
"""Surplus of batches not limited by WAL after which compression ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompressionState:
    """The history of batches: `balance` of those limited by WAL against the others, `batches` since the last switch.

    `plain` is what a row cost before its images were compressed, None if they are not.
    """

    on: bool = False
    balance: int = 0
    batches: int = 0
    patience: int = PATIENCE
    plain: RowCost | None = None


def best_method(methods: Collection[str]) -> str:
    """Return the best of the methods that a server has; a server with a single method names none."""
    return next((method for method in METHODS if method in methods), METHODS[-1])


def limited_by_wal(limited_by: str, *, paced: bool) -> bool | None:
    """Return whether WAL limited a batch, None if it shows neither; `paced` batches waited for a window or the rate.

    Any limit other than its rows, its time and other sessions is a replica's window or the rate.
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
