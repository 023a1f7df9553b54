"""A database in memory, and sessions on it: what the loop needs of PostgreSQL, and a few of its accidents.

There is one table, or several leaves: that which is open is the database's own, the others lie in `shelf`.
A table is a list of pages, a page a list of slots, a slot a row or None; `where` and `assign` are Python. An UPDATE
leaves a row in its slot. What is promised here is checked by `tests.session_contract`, as on the real one.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from backfill.engine.ports import GiveWay, Runtime
from backfill.events.event import Event
from backfill.events.job import Finished
from backfill.jobfile.job import Job
from backfill.retry import sqlstate
from backfill.table.batch import (
    BatchRequest,
    BatchResult,
    OpenedLeaf,
    RejectedRow,
    RowDescription,
    RowSetAside,
    RowsRefused,
    TooManyRows,
    Verification,
)
from backfill.table.checkpoint import Checkpoint, Layout, Tid, advance, begin, begin_pass, restart
from backfill.table.leaves import JobStart, Leaf, Totals
from backfill.table.row_counts import BatchRange, RowCounts, make_slices
from backfill.table.sparse_rows import RowAddresses, read_end, whole_pages
from backfill.table.stripe_plan import PageProfile, residues
from backfill.table.window_layout import TableTraits
from backfill.throttle.signals import Replica, Signals, Upkeep, VacuumResult
from backfill.throttle.wait_reason import WaitKind, WaitReason
from backfill.upkeep.vacuum_choice import VacuumCost
from backfill.values.errors import (
    ConnectionLost,
    Halted,
    LeafDropped,
    StatementRefused,
    Stopped,
    Superseded,
    TableRewritten,
    WhereStaysTrue,
)

Row = dict[str, Any]
Slot = Row | None
WAL_BYTES = 500
ROW_S, CALL_S = 1e-5, 1e-3
CALLS_MAX = 20_000
STATEMENT_TIMEOUT_S = 15.0


def handle_is_null(row: Row) -> bool:
    return row["handle"] is None


def handle_from_username(row: Row) -> Row:
    return {**row, "handle": row["username"]}


def takes_all(row: Row) -> StatementRefused | None:
    return None


def users(
    count: int, *, page: int = 10, username: Callable[[int], str | None] = lambda number: f"u{number}"
) -> list[list[Slot]]:
    """Return pages of users without a handle."""
    rows: list[Slot] = [{"id": number, "username": username(number), "handle": None} for number in range(count)]
    return [rows[start : start + page] for start in range(0, count, page)]


@dataclass
class Clock:
    """Time that passes only when somebody spends it. `stop_at_s` is when a signal comes."""

    now_s: float = 1000.0
    stop_at_s: float = float("inf")

    def now(self) -> float:
        return self.now_s

    async def sleep(self, delay_s: float) -> None:
        if self.now_s + delay_s >= self.stop_at_s:
            self.now_s = max(self.now_s, self.stop_at_s)
            raise Stopped("stopped by SIGTERM; the checkpoint stands, run again to go on")
        self.now_s += delay_s

    def runtime(self, record: Callable[[Event], None]) -> Runtime:
        return Runtime(record=record, now_s=self.now, sleep=self.sleep, jitter=lambda: 0.5)


@dataclass
class FakeLeaf:
    """A leaf that is not open; `holder` has its lock."""

    pages: list[list[Slot]]
    checkpoints: tuple[Checkpoint, ...] = ()
    filenode: int = 1
    scanned_filenode: int = 1
    proof: Verification | None = None
    holder: str | None = None


@dataclass
class FakeDatabase:
    """The server: one table, one checkpoint, one lock. `accidents` are raised or called, each once, by method."""

    pages: list[list[Slot]]
    clock: Clock
    leaf: str = "public.users"
    shelf: dict[str, FakeLeaf] = field(default_factory=dict)
    proof: Verification | None = None
    gone: bool = False
    ended: bool = False
    withdrawn: bool = False
    max_rows: int = 10_000
    lanes: int = 1
    where: Callable[[Row], bool] = handle_is_null
    assign: Callable[[Row], Row] = handle_from_username
    foreseen: bool = True
    foreseeing: bool = True
    refuse: Callable[[Row], StatementRefused | None] = takes_all
    max_rejected: int = 1000
    row_s: float = ROW_S
    rejected: dict[tuple[str, str], RejectedRow] = field(default_factory=dict)
    tries: list[tuple[int, ...]] = field(default_factory=list)
    shape_pages: int = 4096
    checkpoints: tuple[Checkpoint, ...] = ()
    filenode: int = 1
    scanned_filenode: int = 1
    holder: str | None = None
    insert_lsn: int = 1 << 30
    replicas_seen: tuple[str, ...] = ()
    replicas: Callable[[FakeDatabase], tuple[Replica, ...]] = lambda _: ()
    upkeep: Upkeep = Upkeep()
    accidents: defaultdict[str, deque[Exception | Callable[[], None]]] = field(
        default_factory=lambda: defaultdict(deque)
    )
    calls: list[str] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    reaches: list[int] = field(default_factory=list)
    scouts: list[int] = field(default_factory=list)
    fills: Counter[int] = field(default_factory=Counter)
    waits: list[str | None] = field(default_factory=list)
    ends: list[Finished] = field(default_factory=list)
    sessions: int = 0
    waiters: tuple[str | None, ...] = ()

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[FakeSession]:
        self.enter("connect")
        self.sessions += 1
        yield FakeSession(self)

    def enter(self, method: str) -> None:
        """Note a call, let it take time, and let what was planned for it happen."""
        self.calls.append(method)
        assert len(self.calls) < CALLS_MAX, "a loop that does not end"
        self.clock.now_s += CALL_S
        if self.accidents[method]:
            accident = self.accidents[method].popleft()
            if isinstance(accident, Exception):
                raise accident
            accident()

    def rows_left(self) -> list[Row]:
        return [row for page in self.pages for row in page if row is not None and self.where(row)]

    def turn(self, leaf: str) -> None:
        """Open another leaf, and lay the one that is open aside, unless it is gone."""
        if leaf == self.leaf:
            return
        if not self.gone:
            self.shelf[self.leaf] = FakeLeaf(
                self.pages, self.checkpoints, self.filenode, self.scanned_filenode, self.proof
            )
        one = self.shelf.pop(leaf)
        self.leaf, self.pages, self.checkpoints, self.gone = leaf, one.pages, one.checkpoints, False
        self.filenode, self.scanned_filenode, self.proof = one.filenode, one.scanned_filenode, one.proof

    def leaves(self) -> tuple[Leaf, ...]:
        """Return the leaves by name, the table that is named as the job's first."""
        proof = self.proof if self.filenode == self.scanned_filenode else None
        here = [] if self.gone else [Leaf(self.leaf, len(self.pages), 0, proof)]
        known = [*here, *(Leaf(name, len(one.pages), 0, one.proof) for name, one in self.shelf.items())]
        return tuple(sorted(known, key=lambda leaf: (leaf.name != "public.users", leaf.name)))

    def predicates(self, checkpoint: Checkpoint, low: Tid, high: Tid) -> list[Tid]:
        """Return the addresses that a pass looks for: all that match, later only those that an update would mend."""
        found = []
        for page in range(low.page, min(high.page + 1, len(self.pages))):
            for index, row in enumerate(self.pages[page]):
                tid = Tid(page, index + 1)
                if row is not None and low <= tid < high and self.where(row):
                    stuck = (
                        checkpoint.pass_number > 1
                        and self.foreseen
                        and self.foreseeing
                        and self.where(self.assign(row))
                    )
                    found += [] if stuck else [tid]
        return found

    def rewrite(self, pages: list[list[Slot]]) -> None:
        """VACUUM FULL: the rows lie elsewhere, in another file."""
        self.pages, self.filenode = pages, self.filenode + 1

    def set_aside(self) -> tuple[RejectedRow, ...]:
        """Return what is set aside of the leaf that is open."""
        found = (row for (leaf, _), row in self.rejected.items() if leaf == self.leaf)
        return tuple(sorted(found, key=lambda row: row.tid))

    def take_over(self) -> None:
        """Another worker claims the checkpoint."""
        self.checkpoints = tuple(replace(checkpoint, epoch=checkpoint.epoch + 1) for checkpoint in self.checkpoints)


def stripe_of(tid: Tid, checkpoint: Checkpoint) -> int:
    return residues(checkpoint.layout.sizes)[tid.offset & 63]


class FakeSession:
    """One session; `Lost` for ever after it was lost once."""

    def __init__(self, database: FakeDatabase) -> None:
        self.database = database
        self.lost = False

    def _enter(self, method: str) -> None:
        if self.lost:
            raise ConnectionLost("the connection is closed")
        try:
            self.database.enter(method)
        except ConnectionLost:
            self.lost = True
            raise

    async def try_lock(self) -> str | None:
        self._enter("try_lock")
        return self.database.holder

    async def begin(self, *, again: bool = False) -> JobStart:
        self._enter("begin")
        data = self.database
        if data.ended and not again:
            data.proof = None
            for one in data.shelf.values():
                one.proof = None
        data.ended = False
        checkpoints = (
            *data.checkpoints,
            *(checkpoint for one in data.shelf.values() for checkpoint in one.checkpoints),
        )
        return JobStart(data.replicas_seen, Totals().plus(checkpoints), rows_rejected=len(data.rejected))

    async def leaves(self) -> tuple[Leaf, ...]:
        self._enter("leaves")
        return self.database.leaves()

    async def try_leaf(self, leaf: str) -> str | None:
        self._enter("try_leaf")
        one = self.database.shelf.get(leaf)
        return one.holder if one else None

    async def close_leaf(self, leaf: str, proof: Verification | None) -> None:
        self._enter("close_leaf")
        assert leaf == self.database.leaf or proof is None
        if proof is not None:
            self.database.proof = proof

    async def open(self, leaf: str) -> OpenedLeaf:
        self._enter("open")
        data, why = self.database, None
        if leaf != data.leaf and leaf not in data.shelf:
            raise LeafDropped(f"table '{leaf}' was dropped or renamed")
        data.turn(leaf)
        data.proof = None
        self.database.foreseeing = True
        resumed, pages = bool(data.checkpoints), len(data.pages)
        checkpoints = data.checkpoints or tuple(
            begin(pages, Layout(), leaf=leaf, lane=lane, lanes=data.lanes) for lane in range(data.lanes)
        )
        if data.filenode != data.scanned_filenode:
            checkpoints, why = (
                tuple(restart(checkpoint, pages, Layout()) for checkpoint in checkpoints),
                "the table was rewritten",
            )
            data.scanned_filenode = data.filenode
            data.rejected = {place: row for place, row in data.rejected.items() if place[0] != leaf}
        data.checkpoints = tuple(replace(checkpoint, epoch=checkpoint.epoch + 1) for checkpoint in checkpoints)
        rows = sum(len(page) for page in data.pages)
        return OpenedLeaf(data.checkpoints, pages, rows, TableTraits(), resumed, why)

    async def sessions(self, count: int) -> tuple[FakeSession, ...]:
        self._enter("sessions")
        return (self, *(FakeSession(self.database) for _ in range(count - 1)))

    async def reopen(self, checkpoints: tuple[Checkpoint, ...]) -> tuple[tuple[Checkpoint, ...], str]:
        self._enter("reopen")
        data = self.database
        if data.gone:
            raise LeafDropped(f"table '{data.leaf}' was detached from 'public.users'")
        data.checkpoints = tuple(restart(checkpoint, len(data.pages), Layout()) for checkpoint in checkpoints)
        data.scanned_filenode = data.filenode
        data.rejected = {place: row for place, row in data.rejected.items() if place[0] != data.leaf}
        return data.checkpoints, "the table was rewritten"

    async def new_pass(self, checkpoints: tuple[Checkpoint, ...]) -> tuple[Checkpoint, ...]:
        self._enter("new_pass")
        return tuple(
            self._move(checkpoint, begin_pass(checkpoint, len(self.database.pages))) for checkpoint in checkpoints
        )

    async def read_signals(self) -> Signals:
        self._enter("read_signals")
        data = self.database
        lsn, seen = data.insert_lsn, data.replicas(data)
        return Signals(
            at_s=data.clock.now_s, insert_lsn=lsn, flush_lsn=lsn, visible=True, replicas=seen, upkeep=data.upkeep
        )

    async def read_page_profile(self, checkpoint: Checkpoint) -> PageProfile | None:
        self._enter("read_page_profile")
        end = min(checkpoint.window_end, checkpoint.window_start + self.database.shape_pages)
        pages = self.database.pages[checkpoint.window_start : end]
        rows = [row for page in pages for row in page if row is not None]
        due = sum(map(self.database.where, rows))
        return PageProfile(len(rows) / len(pages), due / len(pages), 120, 160) if due else None

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
        before, self.database.foreseeing = self.database.foreseeing, False
        return before and self.database.foreseen

    async def describe(self, tid: Tid, *, values: bool) -> RowDescription | None:
        self._enter("describe")
        row = self.database.pages[tid.page][tid.offset - 1] if tid.offset else None
        if row is None:
            return None
        return RowDescription(str(row["id"]), str(self.database.assign(row)["handle"]) if values else None)

    async def reject_row(self, checkpoint: Checkpoint, batch_range: BatchRange, error: StatementRefused) -> RowSetAside:
        self._enter("reject_row")
        data, [tid] = self.database, batch_range.tids
        key = str(self._row(tid)["id"])
        row = RejectedRow(key, tid, checkpoint.pass_number, str(error))
        met = {
            place for place, one in data.rejected.items() if place[0] != data.leaf or one.pass_number == row.pass_number
        }
        if len(met | {(data.leaf, key)}) > data.max_rejected:
            raise Halted("that many refused rows are no longer exceptions")
        saved = self._move(checkpoint, advance(checkpoint, batch_range.end))
        data.rejected[data.leaf, key] = row
        self._enter("rejected")
        return RowSetAside(saved, key, len(met | {(data.leaf, key)}))

    async def read_rejected(self) -> tuple[RejectedRow, ...]:
        self._enter("read_rejected")
        return self.database.set_aside()

    async def find_rejected(self, row: RejectedRow) -> Tid | None:
        self._enter("find_rejected")
        data = self.database
        for page, slots in enumerate(data.pages):
            for index, one in enumerate(slots):
                if one is not None and str(one["id"]) == row.key and data.where(one):
                    return Tid(page, index + 1)
        return None

    async def forget_rejected(self, checkpoint: Checkpoint, row: RejectedRow) -> None:
        self._enter("forget_rejected")
        del self.database.rejected[self.database.leaf, row.key]

    async def keep_rejected(self, checkpoint: Checkpoint, row: RejectedRow, error: StatementRefused) -> None:
        self._enter("keep_rejected")
        self.database.rejected[self.database.leaf, row.key] = row

    @property
    def rows_at_once(self) -> int:
        return self.database.max_rows

    async def map_rows(self, checkpoint: Checkpoint, batch_range: BatchRange) -> None:
        """Nothing: the table's columns are filled by expressions."""

    async def apply_limits(self, job: Job) -> None:
        self._enter("apply_limits")
        self.database.max_rows = job.batch.max_rows

    async def run_batch(
        self, request: BatchRequest, attribute_wal: Callable[[int], int]
    ) -> BatchResult | TooManyRows | RowsRefused:
        try:
            return self._run_batch(request, attribute_wal)
        except StatementRefused as error:
            if (blame := sqlstate.blame(error.sqlstate, error.took_s, STATEMENT_TIMEOUT_S)) is None:
                raise
            return RowsRefused(error, blame)

    def _run_batch(self, request: BatchRequest, attribute_wal: Callable[[int], int]) -> BatchResult | TooManyRows:
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
        batch_result = BatchResult(saved, len(tids), len(stuck), len(tids), wal_bytes, data.insert_lsn, took_s, samples)
        self._enter("committed")
        return batch_result

    async def save_checkpoint(self, checkpoint: Checkpoint) -> Checkpoint:
        self._enter("save_checkpoint")
        return self._move(checkpoint, checkpoint)

    async def save_wait(self, reason: WaitReason | None, replicas_seen: frozenset[str]) -> None:
        self._enter("save_wait")
        self.database.waits.append(str(reason) if reason else None)
        self.database.replicas_seen = tuple(sorted(replicas_seen))

    async def withdraw(self, start: JobStart) -> None:
        self._enter("withdraw")
        self.database.checkpoints, self.database.withdrawn = (), True

    async def save_end(self, finished: Finished) -> None:
        self._enter("save_end")
        self.database.ends.append(finished)
        self.database.ended = finished.state in ("done", "unconverged")

    async def start_vacuum(self, cost: VacuumCost) -> None:
        self._enter("start_vacuum")

    async def stop_vacuum(self, why: str) -> VacuumResult | None:
        return None

    async def save_vacuum(self, text: str) -> None:
        self._enter("save_vacuum")

    async def verify(self, pass_number: int, give_way: GiveWay | None = None) -> Verification:
        self._enter("verify")
        data = self.database
        for waiter in data.waiters:
            assert give_way is not None
            await give_way(
                WaitReason(WaitKind.BLOCKED, f"sessions behind the proof 1 > 0: {waiter}") if waiter else None
            )
        for row in data.set_aside():
            slot = data.pages[row.tid.page][row.tid.offset - 1]
            if row.pass_number < pass_number or slot is None or not data.where(slot):
                del data.rejected[data.leaf, row.key]
        aside = data.set_aside()
        keys = {row.key for row in aside}
        left = data.rows_left()
        others = [row for row in left if str(row["id"]) not in keys]
        stuck = sum(1 for row in others if data.where(data.assign(row))) if data.foreseen and data.foreseeing else None
        samples = tuple(str(row["id"]) for row in others[:5])
        told = tuple(row.told for row in aside[:5])
        return Verification(len(left), stuck, samples, 0.0, rows_rejected=len(aside), rejected=told)

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
