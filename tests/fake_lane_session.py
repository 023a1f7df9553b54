"""What any session on a database in memory does, and the session of a lane: reads, and batches that move a checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from backfill.events.history.span import HistorySpan
from backfill.jobfile.job import Job
from backfill.retry import sqlstate
from backfill.table.batch import (
    BatchRequest,
    Committed,
    RejectedRow,
    RowDescription,
    RowRejection,
    RowsRefused,
    TooManyRows,
)
from backfill.table.checkpoint import Checkpoint, Tid, advance
from backfill.table.row_counts import BatchRange, RowCounts, make_slices
from backfill.table.sparse_rows import RowAddresses, read_end, whole_pages
from backfill.table.stripe_plan import PageProfile, residues
from backfill.throttle.conditions.operator_request import OperatorRequest
from backfill.throttle.conditions.seen_replicas import SeenReplica
from backfill.throttle.signals import Signals, VacuumResult
from backfill.throttle.wait_reason import WaitReason
from backfill.upkeep.vacuum_choice import VacuumCost
from backfill.values.errors import (
    ConnectionLost,
    Halted,
    StatementRefused,
    Superseded,
    TableRewritten,
    WhereStaysTrue,
)

if TYPE_CHECKING:
    from tests.fake_database import FakeDatabase, Row

WAL_BYTES = 500
STATEMENT_TIMEOUT_S = 15.0


def stripe_of(tid: Tid, checkpoint: Checkpoint) -> int:
    return residues(checkpoint.layout.sizes)[tid.offset & 63]


@dataclass
class FakeConnection:
    """What a session is on."""

    lost: bool = False


class FakeStatusSession:
    """What any session of a job does; lost forever after it was lost once, as its connection is."""

    def __init__(self, database: FakeDatabase, connection: FakeConnection) -> None:
        self.database = database
        self.connection = connection

    def _enter(self, method: str) -> None:
        if self.connection.lost:
            raise ConnectionLost("the connection is closed")
        try:
            self.database.enter(method)
        except ConnectionLost:
            self.connection.lost = True
            raise

    async def save_wait(self, reason: WaitReason | None, replicas_seen: tuple[SeenReplica, ...]) -> None:
        self._enter("save_wait")
        self.database.waits.append(str(reason) if reason else None)
        self.database.replicas_seen = replicas_seen

    async def save_history(self, span: HistorySpan) -> None:
        self._enter("save_history")
        self.database.history.append(span)

    async def read_request(self) -> OperatorRequest | None:
        self._enter("read_request")
        return self.database.request

    async def read_time(self) -> datetime:
        self._enter("read_time")
        return self.database.now

    async def stop_vacuum(self, why: str) -> VacuumResult | None:
        if not self.database.vacuuming:
            return None
        self.database.vacuuming = False
        return VacuumResult(took_s=0.0, stopped=why)

    async def save_vacuum(self, text: str) -> None:
        self._enter("save_vacuum")

    def _row(self, tid: Tid) -> Row:
        row = self.database.pages[tid.page][tid.offset - 1]
        assert row is not None
        return row

    def _move(self, checkpoint: Checkpoint, moved: Checkpoint) -> Checkpoint:
        """Write the checkpoint, compare-and-swap, as `backfill/postgres/sql/state/save_checkpoint.sql` does."""
        data = self.database
        known = data.checkpoints[checkpoint.lane]
        if (known.epoch, known.sequence) != (checkpoint.epoch, checkpoint.sequence):
            raise Superseded("another worker has moved the checkpoint")
        if data.filenode != data.scanned_filenode or data.gone:
            raise TableRewritten("the table was rewritten")
        moved = replace(moved, epoch=checkpoint.epoch, sequence=checkpoint.sequence + 1)
        data.checkpoints = tuple(moved if one.lane == checkpoint.lane else one for one in data.checkpoints)
        return moved


class FakeLaneSession(FakeStatusSession):
    """One lane of the leaf that is open."""

    async def read_signals(self) -> Signals:
        self._enter("read_signals")
        data = self.database
        lsn, seen = data.insert_lsn, data.replicas(data)
        return Signals(
            at_s=data.clock.now_s,
            insert_lsn=lsn,
            flush_lsn=lsn,
            visible=True,
            replicas=seen,
            upkeep=data.upkeep,
            request=data.request,
            now=data.now,
        )

    async def read_page_profile(self, checkpoint: Checkpoint) -> PageProfile | None:
        self._enter("read_page_profile")
        end = min(checkpoint.window_end, checkpoint.window_start + self.database.shape_pages)
        pages = self.database.pages[checkpoint.window_start : end]
        rows = [row for page in pages for row in page if row is not None]
        due = sum(map(self.database.where, rows))
        return (
            PageProfile(rows=len(rows) / len(pages), due=due / len(pages), row_bytes=120, updated_bytes=160)
            if due
            else None
        )

    async def count_rows(self, checkpoint: Checkpoint, rows: int, pages: int) -> RowCounts:
        self._enter("count_rows")
        self.database.scouts.append(pages)
        grid = make_slices(checkpoint, rows, pages)
        counts = [[0] * checkpoint.stripes for _ in grid.bounds]
        for tid in self.database.predicates(checkpoint, grid.bounds[0], grid.end):
            index = sum(1 for bound in grid.bounds if bound <= tid) - 1
            counts[index][stripe_of(tid, checkpoint)] += 1
        return RowCounts(grid, checkpoint.stripe, tuple(map(tuple, counts)))

    async def find_rows(self, checkpoint: Checkpoint, pages: int) -> RowAddresses:
        self._enter("find_rows")
        self.database.reaches.append(pages)
        end = read_end(checkpoint, pages)
        return whole_pages(checkpoint.next, end, self.database.predicates(checkpoint, checkpoint.next, end))

    async def read_rows(self, checkpoint: Checkpoint, batch_range: BatchRange) -> RowAddresses:
        self._enter("read_rows")
        found = self.database.predicates(
            checkpoint, batch_range.low or checkpoint.next, batch_range.high or batch_range.end
        )
        return whole_pages(
            checkpoint.next,
            batch_range.end,
            [tid for tid in found if checkpoint.last_stripe or stripe_of(tid, checkpoint) == checkpoint.stripe],
        )

    def disable_prediction(self) -> bool:
        return self.database.disable_prediction()

    async def describe(self, tid: Tid, *, values: bool) -> RowDescription | None:
        self._enter("describe")
        row = self.database.pages[tid.page][tid.offset - 1] if tid.offset else None
        if row is None:
            return None
        return RowDescription(str(row["id"]), str(self.database.assign(row)["handle"]) if values else None)

    async def reject_row(
        self, checkpoint: Checkpoint, batch_range: BatchRange, error: StatementRefused
    ) -> RowRejection:
        self._enter("reject_row")
        data, [tid] = self.database, batch_range.tids
        key = str(self._row(tid)["id"])
        row = RejectedRow(key=key, tid=tid, pass_number=checkpoint.pass_number, message=str(error))
        met = {
            place for place, one in data.rejected.items() if place[0] != data.leaf or one.pass_number == row.pass_number
        }
        if len(met | {(data.leaf, key)}) > data.max_rejected:
            raise Halted("that many refused rows are no longer exceptions")
        saved = self._move(checkpoint, advance(checkpoint, batch_range.end))
        data.rejected[data.leaf, key] = row
        self._enter("rejected")
        return RowRejection(saved, key, len(met | {(data.leaf, key)}))

    @property
    def rows_at_once(self) -> int:
        return self.database.max_rows

    async def map_rows(self, checkpoint: Checkpoint, batch_range: BatchRange) -> BatchRange:
        """Nothing: the table's columns are filled by expressions."""
        return batch_range

    async def apply_limits(self, job: Job) -> None:
        self._enter("apply_limits")
        self.database.max_rows = job.batch.max_rows

    async def run_batch(
        self, request: BatchRequest, attribute_wal: Callable[[int], int]
    ) -> Committed | TooManyRows | RowsRefused:
        try:
            return self._run_batch(request, attribute_wal)
        except StatementRefused as error:
            if (blame := sqlstate.blame(error.sqlstate, error.took_s, STATEMENT_TIMEOUT_S)) is None:
                raise
            return RowsRefused(error, blame)

    def _run_batch(self, request: BatchRequest, attribute_wal: Callable[[int], int]) -> Committed | TooManyRows:
        self._enter("run_batch")
        data, checkpoint, batch_range = self.database, request.checkpoint, request.batch_range
        tids = [
            tid
            for tid in data.predicates(
                checkpoint, batch_range.low or checkpoint.next, batch_range.high or batch_range.end
            )
            if (
                tid in batch_range.tids
                if batch_range.tids
                else checkpoint.last_stripe or stripe_of(tid, checkpoint) == checkpoint.stripe
            )
        ]
        if request.again is not None:
            tids = [tid for tid in batch_range.tids if data.where(self._row(tid))]
        if len(tids) > data.max_rows:
            return TooManyRows(len(tids))
        data.tries.append(tuple(self._row(tid)["id"] for tid in tids))
        for tid in tids:
            if (error := data.refuse(self._row(tid))) is not None:
                data.clock.now_s += error.took_s
                raise error
        after = {tid: data.assign(self._row(tid)) for tid in tids}
        stuck = [row["id"] for row in after.values() if data.where(row)]
        if tids and len(stuck) == len(tids) and request.trial:
            raise WhereStaysTrue("'where' stays true for every row of the first batch")
        moved = replace(
            checkpoint if request.again else advance(checkpoint, batch_range.end),
            rows_pass=checkpoint.rows_pass + len(tids),
            rows_converged_pass=checkpoint.rows_converged_pass + len(tids) - len(stuck),
            rows_total=checkpoint.rows_total + len(tids),
            rows_unconverged=checkpoint.rows_unconverged + len(stuck),
            wal_bytes=checkpoint.wal_bytes + WAL_BYTES * len(tids),
        )
        if request.again is not None:
            moved = replace(moved, rows_pass=checkpoint.rows_pass, rows_converged_pass=checkpoint.rows_converged_pass)
            del data.rejected[data.leaf, request.again.key]
        saved = self._move(checkpoint, moved)
        for tid, row in after.items():
            data.pages[tid.page][tid.offset - 1] = row
            data.fills[row["id"]] += 1
        took_s = data.row_s * len(tids)
        data.clock.now_s += took_s
        data.insert_lsn += WAL_BYTES * len(tids)
        data.batches.append(len(tids))
        samples = tuple(str(key) for key in stuck[:5])
        wal_bytes = attribute_wal(data.insert_lsn)
        batch_result = Committed(
            checkpoint=saved,
            rows=len(tids),
            rows_unconverged=len(stuck),
            rows_hot=len(tids),
            wal_bytes=wal_bytes,
            insert_lsn=data.insert_lsn,
            took_s=took_s,
            samples=samples,
        )
        self._enter("committed")
        return batch_result

    async def save_checkpoint(self, checkpoint: Checkpoint) -> Checkpoint:
        self._enter("save_checkpoint")
        return self._move(checkpoint, checkpoint)

    async def start_vacuum(self, cost: VacuumCost) -> None:
        self._enter("start_vacuum")
        self.database.vacuuming = True
