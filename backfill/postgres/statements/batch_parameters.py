"""Which statement of several a batch takes, and the parameters that say where its rows lie."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from backfill.table.checkpoint import Checkpoint
from backfill.table.row_counts import BatchRange
from backfill.table.stripe_plan import mask


class Scope(StrEnum):
    """Which rows of a range a statement is for: a stripe of several, all that are left, or some addresses."""

    STRIPE = "stripe"
    LAST_STRIPE = "last stripe"
    ADDRESSES = "addresses"


class Pass(StrEnum):
    """The first pass updates whatever matches `where`; a later one only what would not match it afterwards.

    Rows that match still are met in every pass. A later pass leaves them out if the row after the UPDATE can be
    `foreseen`; `verify` counts them.
    """

    FIRST = "first pass"
    LATER = "later pass"


def untried(checkpoint: Checkpoint) -> bool:
    """Whether no pass has tried all rows yet: the first one updates whatever matches."""
    return checkpoint.pass_number == 1


def scope_of(checkpoint: Checkpoint) -> Scope:
    """Return which rows of a range are this stripe's; the last one takes all that are left."""
    return Scope.LAST_STRIPE if checkpoint.last_stripe else Scope.STRIPE


def pass_of(checkpoint: Checkpoint) -> Pass:
    """Return whether the rows of a scan were tried by an earlier pass."""
    return Pass.FIRST if untried(checkpoint) else Pass.LATER


def range_of(checkpoint: Checkpoint, batch_range: BatchRange) -> dict[str, Any]:
    """Return the parameters that say where a batch's rows lie."""
    return {
        "low": str(batch_range.low or checkpoint.next),
        "high": str(batch_range.high or batch_range.end),
        "mask": mask(checkpoint.layout.sizes, checkpoint.stripe),
        "tids": [str(tid) for tid in batch_range.tids],
    }
