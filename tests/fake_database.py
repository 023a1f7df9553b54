"""A database in memory: what the loop needs of PostgreSQL, and a few of its accidents.

There is one table, or several leaves: that which is open is the database's own, the others lie in `shelf`.
A table is a list of pages, a page a list of slots, a slot a row or None; `where` and `assign` are Python. An UPDATE
leaves a row in its slot.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from backfill.engine.ports import Runtime
from backfill.events.event import Event
from backfill.events.history.span import HistorySpan
from backfill.events.job import Finished
from backfill.table.batch import (
    RejectedRow,
    Verification,
)
from backfill.table.checkpoint import Checkpoint, Tid
from backfill.table.leaves import Leaf
from backfill.throttle.conditions.operator_request import OperatorRequest
from backfill.throttle.conditions.seen_replicas import SeenReplica
from backfill.throttle.signals import Replica, Upkeep
from backfill.values.errors import (
    StatementRefused,
    Stopped,
)
from tests.fake_lane_session import FakeConnection
from tests.fake_session import FakeJobSession

Row = dict[str, Any]
Slot = Row | None
ROW_S, CALL_S = 1e-5, 1e-3
CALLS_MAX = 20_000


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
    known: bool = False
    withdrawn: bool = False
    has_sync_trigger: bool = False
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
    replicas_seen: tuple[SeenReplica, ...] = ()
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
    history: list[HistorySpan] = field(default_factory=list)
    ends: list[Finished] = field(default_factory=list)
    sessions: int = 0
    waiters: tuple[str | None, ...] = ()
    request: OperatorRequest | None = None
    vacuuming: bool = False
    locks: dict[str, FakeConnection] = field(default_factory=dict)

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[FakeJobSession]:
        self.enter("connect")
        self.sessions += 1
        session = self.session()
        try:
            yield session
        finally:
            self.locks = {
                lock: connection for lock, connection in self.locks.items() if connection is not session.connection
            }

    def session(self) -> FakeJobSession:
        """Return a new session, without its lock."""
        return FakeJobSession(self, FakeConnection())

    @property
    def now(self) -> datetime:
        """The server's time: Monday, 2026-11-30 00:00 UTC when the clock of the loop shows 0."""
        return datetime(2026, 11, 30, tzinfo=UTC) + timedelta(seconds=self.clock.now_s)

    def disable_prediction(self) -> bool:
        before, self.foreseeing = self.foreseeing, False
        return before and self.foreseen

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
        here = [] if self.gone else [Leaf(name=self.leaf, pages=len(self.pages), rows_estimated=0, proof=proof)]
        known = [
            *here,
            *(
                Leaf(name=name, pages=len(one.pages), rows_estimated=0, proof=one.proof)
                for name, one in self.shelf.items()
            ),
        ]
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
