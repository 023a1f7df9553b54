"""Rows of a refused batch, halved until the one is alone that the server does not take; the others are committed.

    refused: 8 rows          try 4 · refused: 4 · try 2 · taken · so one of the next 2 · try 1 · taken · try 1 · refused
    that row is rejected     try the 4 behind it · taken

The rows are tried in their order, since the place moves on behind what is committed. What the halves before it have
taken cannot have refused the whole, so the last one is to blame and is not tried as a whole. A bad row among n costs
about log2(n) refusals, neighbours share most of theirs, and where every row is bad each costs two.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from itertools import groupby

from backfill.table import sparse_rows
from backfill.table.checkpoint import Checkpoint, Tid
from backfill.table.row_counts import LINE_POINTERS_MAX, BatchRange
from backfill.table.sparse_rows import TIDS_MAX, RowAddresses


@dataclass(frozen=True, slots=True)
class Group:
    """So many rows that are next to each other.

    `blamed`: one of them is refused, so they are halved and not tried as they are. `heir`: they will be blamed when
    the half before them is taken.
    """

    rows: int
    blamed: bool = False
    heir: bool = False


@dataclass(frozen=True, slots=True)
class Bisection:
    """What is left of a refused batch: its rows, and how they are tried, from the first on.

    `deducing` is whether rows are refused for themselves; if they only take too long together, a half that is
    taken says nothing of the other one.
    """

    rows: RowAddresses
    groups: tuple[Group, ...]
    deducing: bool = True


def start(rows: RowAddresses, *, deducing: bool, known: AbstractSet[Tid] = frozenset()) -> Bisection:
    """Return the search through the rows of a batch that was refused; those that were refused before stand alone."""
    if known.isdisjoint(rows.tids):
        return _halved(Bisection(rows, (Group(len(rows.tids), blamed=True),), deducing))
    groups: list[Group] = []
    for of_known, tids in groupby(rows.tids, known.__contains__):
        count = sum(1 for _ in tids)
        groups += [Group(1)] * count if of_known else [Group(count)]
    return Bisection(rows, tuple(groups), deducing)


def batch_range(suspects: Bisection, checkpoint: Checkpoint, rows: int) -> BatchRange:
    """Return what is tried next, by address: at most `rows`."""
    return sparse_rows.next_batch(suspects.rows, checkpoint, min(rows, suspects.groups[0].rows, TIDS_MAX))


def taken(suspects: Bisection, rows: int) -> Bisection | None:
    """Return the search after a number of rows was committed or rejected; None if it is over."""
    first, *others = suspects.groups
    if rows < first.rows:
        return replace(suspects, groups=(replace(first, rows=first.rows - rows), *others))
    if not others:
        return None
    following = replace(others[0], blamed=others[0].blamed or others[0].heir, heir=False)
    return _halved(replace(suspects, groups=(following, *others[1:])))


def refused(suspects: Bisection, rows: int) -> Bisection:
    """Return the search after its next `rows` rows were refused."""
    first, *others = suspects.groups
    if others:
        others[0] = replace(others[0], heir=False)  # the half before it is to blame
    rest = [Group(first.rows - rows)] if rows < first.rows else []
    return _halved(replace(suspects, groups=(Group(rows, blamed=True), *rest, *others)))


def isolate_known(found: RowAddresses, checkpoint: Checkpoint, rows: int, known: AbstractSet[Tid]) -> BatchRange:
    """Return the next batch of rows that are few, in which a row that was refused before stands alone."""
    batch = sparse_rows.next_batch(found, checkpoint, rows)
    place = next((place for place, tid in enumerate(batch.tids) if tid in known), None)
    return batch if place is None else sparse_rows.next_batch(found, checkpoint, max(1, place))


def midpoint(low: Tid, high: Tid) -> Tid | None:
    """Return the address half way between two; None if at most one row lies from `low` up to `high`."""
    line = LINE_POINTERS_MAX + 1
    first, last = low.page * line + low.offset, high.page * line + high.offset
    return Tid(*divmod((first + last) // 2, line)) if last - first > 1 else None


def _halved(suspects: Bisection) -> Bisection:
    first, *others = suspects.groups
    if not first.blamed or first.rows == 1:
        return suspects
    half = first.rows // 2
    halves = (Group(half), Group(first.rows - half, heir=suspects.deducing))
    return replace(suspects, groups=(*halves, *others))
