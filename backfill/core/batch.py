"""What the database answers: a job opened, a batch done or rolled back, the final read."""

from __future__ import annotations

from dataclasses import dataclass

from backfill.core.decision import Admission
from backfill.core.layout import Heap
from backfill.core.scan import Scan
from backfill.core.scout import Cut


@dataclass(frozen=True, slots=True)
class Order:
    """A batch to run and why: the place, the cut, and the decision that let it go.

    A `trial` is the first batch of a job: where every row of it matches `where` still, it is rolled back.
    """

    scan: Scan
    cut: Cut
    admission: Admission
    trial: bool = False


@dataclass(frozen=True, slots=True)
class Filled:
    """A committed batch: the place after it, and what it cost. `insert_lsn` is the primary's position behind it.

    `blocked_sessions` waited for its locks just before it committed. `compression_refused`: its full-page images were
    to be compressed, and the role may not any more.
    """

    scan: Scan
    rows: int
    rows_unconverged: int
    rows_hot: int
    wal_bytes: int
    insert_lsn: int
    took_s: float
    samples: tuple[str, ...]
    blocked_sessions: int = 0
    compression_refused: bool = False


@dataclass(frozen=True, slots=True)
class Overfull:
    """A batch that met more rows than `max_rows` allows and was rolled back: the scouted counts were too old."""

    rows: int


@dataclass(frozen=True, slots=True)
class Verification:
    """One read of the whole table. `rows_unconverged` is None where it cannot be foreseen which rows are stuck.

    Rows that match and have no partner in the joined table are among either.
    """

    rows_left: int
    rows_unconverged: int | None
    samples: tuple[str, ...]
    took_s: float
    rows_without_partner: int = 0


@dataclass(frozen=True, slots=True)
class Opened:
    """A leaf that is ours: the checkpoints of its lanes, and its table.

    `rewritten` says why the scan had to start again, None when it did not.
    """

    scans: tuple[Scan, ...]
    pages: int
    rows_estimated: int
    heap: Heap
    resumed: bool
    rewritten: str | None
