"""What the database answers: a leaf opened, a batch committed or rolled back, a row rejected, the final read."""

from __future__ import annotations

from dataclasses import dataclass, replace

from backfill.retry.sqlstate import Blame
from backfill.table.checkpoint import Checkpoint, Tid
from backfill.table.estimate.time_left import TimeLeft
from backfill.table.row_counts import BatchRange
from backfill.table.window_layout import TableTraits
from backfill.throttle.decision_values import Admission
from backfill.values.errors import StatementRefused


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRequest:
    """A batch to run and why: the place, the cut, and the decision that let it go.

    A `trial` is the first batch of a job: it is rolled back if all of its rows still match `where`. `again` is a
    rejected row that is retried: it leaves backfill.rejected when this batch commits. `time_left` is what the batch
    before it left to do, for `status`.
    """

    checkpoint: Checkpoint
    batch_range: BatchRange
    admission: Admission
    trial: bool = False
    again: RejectedRow | None = None
    time_left: TimeLeft | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """A committed batch: the place after it, and what it cost. `insert_lsn` is the primary's position behind it.

    `blocked_sessions` waited for its locks just before it committed. `compression_refused`: its full-page images were
    to be compressed, and the role no longer may.
    """

    checkpoint: Checkpoint
    rows: int
    rows_unconverged: int
    rows_hot: int
    wal_bytes: int
    insert_lsn: int
    took_s: float
    samples: tuple[str, ...]
    blocked_sessions: int = 0
    compression_refused: bool = False
    returning: bool | None = None


@dataclass(frozen=True, slots=True)
class TooManyRows:
    """A batch that met more rows than `max_rows` allows and was rolled back: the counts were too old."""

    rows: int


@dataclass(frozen=True, slots=True)
class RowsRefused:
    """A batch that was rolled back because the server refused one of its rows, or they took too long together."""

    error: StatementRefused
    blame: Blame


@dataclass(frozen=True, slots=True)
class RowDescription:
    """A row as a person finds it: its key or address, and what it would be set to, or why that is not known."""

    key: str
    values: str | None = None
    unknown: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedRow:
    """A row that the server refuses, as `backfill.rejected` has it: by its key, or by its address without one."""

    key: str
    tid: Tid
    pass_number: int
    message: str

    @property
    def summary(self) -> str:
        """The row and the first of the server's words."""
        return f"{self.key}: {self.message.splitlines()[0]}"


@dataclass(frozen=True, slots=True)
class RowRejection:
    """The position behind a rejected row. `key` is None if the row was gone by then.

    `rows_rejected` counts the rejected rows of the whole job.
    """

    checkpoint: Checkpoint
    key: str | None
    rows_rejected: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """One read of the whole table. `rows_unconverged` is None if it cannot be predicted which rows are stuck.

    Rows that match and have no partner in the joined table are among either. `rows_rejected` match, too, and were
    rejected; `samples` are of the others, `rejected` of these.
    """

    rows_left: int
    rows_unconverged: int | None
    samples: tuple[str, ...]
    took_s: float
    rows_without_partner: int = 0
    rows_rejected: int = 0
    rejected: tuple[str, ...] = ()
    rows_unreached: int = 0
    rows_untold: int = 0

    @classmethod
    def none(cls) -> Verification:
        """Return that of no table."""
        return cls(rows_left=0, rows_unconverged=0, samples=(), took_s=0.0)

    def of_leaf(self, leaf: str) -> Verification:
        """Return it with samples that say of which leaf they are."""
        samples, rejected = (tuple(f"{leaf} {row}" for row in rows) for rows in (self.samples, self.rejected))
        return replace(self, samples=samples, rejected=rejected)

    @property
    def rows_fillable(self) -> int:
        """Rows that another pass may fill."""
        return self.rows_left - self.rows_rejected - (self.rows_unconverged or 0)


def with_counts(found: Verification, checkpoints: tuple[Checkpoint, ...]) -> Verification:
    """Return it with the rows that are stuck: if they were not predicted, those that the pass updated in vain.

    A pass that also filled rows may have met some of them twice.
    """
    if found.rows_unconverged is not None:
        return found
    converged = sum(checkpoint.rows_converged_pass for checkpoint in checkpoints)
    in_vain = 0 if converged else sum(checkpoint.rows_pass for checkpoint in checkpoints)
    left = max(0, found.rows_left - found.rows_rejected)
    return replace(found, rows_unconverged=min(left, found.rows_without_partner + in_vain))


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedLeaf:
    """A leaf that is ours: the checkpoints of its lanes, and its table.

    `rewritten` says why the scan had to start again, None when it did not.
    """

    checkpoints: tuple[Checkpoint, ...]
    pages: int
    rows_estimated: int
    traits: TableTraits
    resumed: bool
    rewritten: str | None
