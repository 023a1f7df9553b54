"""Whether full-page images are compressed in our own transactions: while WAL is what limits us, and not while time is.

Compression trades the server's CPU for WAL. What limited a batch tells which of the two is short. The turn takes some
batches of one mind, and a way back that proves wrong takes longer each time: with compression WAL may be what limits
us no more, and be so again at once without it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from backfill.core import cost as costs
from backfill.core.cost import Cost

METHODS = ("zstd", "lz4", "pglz")
"""Values of `wal_compression`, the best first. Before PostgreSQL 15 it is `on` or `off`, and `on` is the last."""
EASE = frozenset({"max_rows", "target_time"})
"""What limits a batch while WAL does not."""
NO_SIGN = "blocked sessions"
TURN = 16
"""Batches that WAL limited, beyond those that it did not, until compression begins."""
PATIENCE, PATIENCE_MAX = 64, 4096
"""Batches that WAL did not limit, beyond those that it did, until compression ends."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What the server has for this role: a method, or none and `why`; `already` is its own setting where that is on."""

    method: str = ""
    why: str = ""
    already: str = ""


@dataclass(frozen=True, slots=True)
class Compression:
    """What is remembered of the batches: which way they lean, and how many there were since the last turn.

    `plain` is what a row cost before its images were compressed, None while they are not.
    """

    on: bool = False
    leaning: int = 0
    batches: int = 0
    patience: int = PATIENCE
    plain: Cost | None = None


def best(methods: Collection[str]) -> str:
    """Return the best of the methods that a server has; it names none where there is but one."""
    return next((one for one in METHODS if one in methods), METHODS[-1])


def pressed(limited_by: str, *, paced: bool) -> bool | None:
    """Return whether WAL limited a batch; `paced` is one that waited for a window or its rate. None: it tells neither.

    Whatever limits a batch and is neither its rows, its time nor other sessions is a replica's window or the rate.
    """
    if paced:
        return True
    return None if limited_by == NO_SIGN else limited_by not in EASE


def weigh(before: Compression, cost: Cost, *, pressed: bool | None) -> tuple[Compression, Cost]:
    """Return whether the next batch compresses, and what a row of it is expected to cost, after one more batch."""
    if pressed is None:
        return before, cost
    leaning, batches = before.leaning + (1 if pressed else -1), before.batches + 1
    if before.on:
        if leaning <= -before.patience:
            return end(before, cost)
        return replace(before, leaning=min(leaning, 0), batches=batches), cost
    if leaning >= TURN:
        return replace(before, on=True, leaning=0, batches=0, plain=cost), cost
    patience = PATIENCE if batches >= before.patience else before.patience
    return replace(before, leaning=max(leaning, 0), batches=batches, patience=patience), cost


def end(before: Compression, cost: Cost) -> tuple[Compression, Cost]:
    """Return the memory without compression, and a row's cost: at least what it was before."""
    if before.plain is not None:
        cost = costs.dearer(cost, before.plain)
    return Compression(patience=min(2 * before.patience, PATIENCE_MAX)), cost
