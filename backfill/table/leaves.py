"""The tables that hold a job's rows: its own, or that one's partitions and children; and what is done of them all.

A leaf is filled by passes of its own and ends with a proof of its own. Progress is that over the matching rows of all
of them; over their pages while nobody has estimated the rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from backfill.table.batch import Verification
from backfill.table.checkpoint import Checkpoint, progress_ratio
from backfill.table.estimate.row_map import RowMap
from backfill.throttle.conditions.seen_replicas import SeenReplica
from backfill.values.compression_support import ServerSupport

SAMPLES_KEPT = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """One of the tables. `proof` is how it ended for this job, None while that is to do.

    `known` is where its matching rows are, None if they could not be estimated.
    """

    name: str
    pages: int
    rows_estimated: int = 0
    proof: Verification | None = None
    known: RowMap | None = None


@dataclass(frozen=True, slots=True)
class Totals:
    """What lanes have done, summed."""

    rows_total: int = 0
    rows_unconverged: int = 0
    wal_bytes: int = 0

    def plus(self, checkpoints: Iterable[Checkpoint], times: int = 1) -> Totals:
        """Return the sum with what these lanes have done."""
        lanes = tuple(checkpoints)
        return Totals(
            self.rows_total + times * sum(lane.rows_total for lane in lanes),
            self.rows_unconverged + times * sum(lane.rows_unconverged for lane in lanes),
            self.wal_bytes + times * sum(lane.wal_bytes for lane in lanes),
        )

    def minus(self, checkpoints: Iterable[Checkpoint]) -> Totals:
        """Return the sum without what these lanes have done."""
        return self.plus(checkpoints, -1)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafPlace:
    """The place of a leaf among all: which one it is, its pages, those of leaves that are done, and of all.

    `rows_estimated` is that of all leaves. `known` is where the leaf's matching rows are, `rows_after` how many the
    leaves behind it have; None if that could not be estimated.
    """

    number: int = 1
    count: int = 1
    pages: int = 0
    pages_before: int = 0
    pages_total: int = 0
    rows_estimated: int = 0
    known: RowMap | None = None
    rows_after: float | None = None

    def progress_ratio(self, checkpoints: tuple[Checkpoint, ...]) -> float:
        """Return the share that is done. Of one table it is that of its pass, so each pass begins at 0.

        Of several leaves it never falls: one counts as done with its first pass, the others find little.
        """
        share = progress_ratio(checkpoints)
        if self.count <= 1:
            return share
        if any(lane.pass_number > 1 for lane in checkpoints):
            share = 1.0
        total = max(self.pages_total, self.pages_before + self.pages)
        return min(1.0, (self.pages_before + share * self.pages) / total) if total else 1.0


def _rows_of(leaves: Iterable[Leaf]) -> float | None:
    """Return the matching rows of leaves, None if those of one of them are not known."""
    known = [leaf.known for leaf in leaves]
    return None if None in known else sum(found.total for found in known if found is not None)


def leaf_places(leaves: tuple[Leaf, ...]) -> list[tuple[Leaf, LeafPlace]]:
    """Return the leaves that are to do, in order, each with its place when those before it are done."""
    left = [leaf for leaf in leaves if leaf.proof is None]
    before = sum(leaf.pages for leaf in leaves if leaf.proof is not None)
    total = sum(leaf.pages for leaf in leaves)
    rows = sum(leaf.rows_estimated for leaf in leaves)
    placed = []
    for number, leaf in enumerate(left, 1 + len(leaves) - len(left)):
        placed.append(
            (
                leaf,
                LeafPlace(
                    number=number,
                    count=len(leaves),
                    pages=leaf.pages,
                    pages_before=before,
                    pages_total=total,
                    known=leaf.known,
                    rows_after=_rows_of(left[number - 1 - len(leaves) + len(left) + 1 :]),
                    rows_estimated=rows,
                ),
            )
        )
        before += leaf.pages
    return placed


def combined(proofs: Iterable[Verification]) -> Verification:
    """Return how all leaves ended together."""
    total = Verification.none()
    for proof in proofs:
        total = replace(
            total,
            rows_left=total.rows_left + proof.rows_left,
            rows_unconverged=(total.rows_unconverged or 0) + (proof.rows_unconverged or 0),
            samples=(*total.samples, *proof.samples)[:SAMPLES_KEPT],
            took_s=total.took_s + proof.took_s,
            rows_without_partner=total.rows_without_partner + proof.rows_without_partner,
            rows_rejected=total.rows_rejected + proof.rows_rejected,
            rows_unreached=total.rows_unreached + proof.rows_unreached,
            rows_untold=total.rows_untold + proof.rows_untold,
            rejected=(*total.rejected, *proof.rejected)[:SAMPLES_KEPT],
        )
    return total


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStart:
    """A job that is ours: replicas seen before, what earlier workers did on all leaves, how images are compressed.

    `is_new` says whether nobody knew the job before, `schema_is_new` whether there was no state schema.
    """

    replicas_seen: tuple[SeenReplica, ...]
    done: Totals
    compression: ServerSupport = ServerSupport()
    rows_rejected: int = 0
    is_new: bool = False
    schema_is_new: bool = False
