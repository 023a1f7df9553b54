"""A primary with its replicas, from event to event, deterministic by its seed.

Own commits are asynchronous: WAL waits for the walwriter before it may be sent, unless the worker asks for a flush.
What happens behind the primary is `tests.sim.path`.
"""

from __future__ import annotations

from collections.abc import Callable, MutableSequence
from dataclasses import dataclass
from random import Random

from backfill.events.history.span import HistorySpan
from backfill.table.batch import Committed
from backfill.table.checkpoint import Checkpoint
from backfill.throttle.conditions.seen_replicas import SeenReplica
from backfill.throttle.signals import Replica, Signals
from backfill.throttle.wait_reason import WaitReason
from tests.sim.path import MB, Path
from tests.sim.server import INFINITE, START_LSN, Span, Steps, Written, value_at, within

WALWRITER_S = 0.2
WALWRITER_BYTES = MB
WALWRITER_LUMP_S = 0.01
"""A fast primary flushes what it wrote in this time at once."""
FOREIGN_COMMIT_S = 0.02
"""Others commit at least this often, and what they flush takes ours along."""
KEPT = 20_000
"""Records of what was written when, before those that every replica has replayed are dropped."""


@dataclass(frozen=True)
class Work:
    """What rows cost: bytes of WAL (more after a checkpoint) and seconds; what others write meanwhile.

    One in twenty readings and batches takes up to `stall_s` longer: others want the processors too.
    """

    row_bytes: float = 450.0
    row_s: float = 8e-6
    commit_s: float = 0.004
    flush_s: float = 0.002
    round_trip_s: float = 0.001
    noise: float = 0.1
    first_stripe: float = 1.0
    stall_s: float = 0.0
    checkpoints: tuple[Span, ...] = ()
    checkpoint_factor: float = 4.0
    foreign: Steps = ((0.0, 0.0),)

    def row_bytes_at(self, at_s: float, stripe: int) -> float:
        factor = self.checkpoint_factor if within(self.checkpoints, at_s) else 1.0
        return self.row_bytes * factor * (self.first_stripe if stripe == 0 else 1.0)


@dataclass(frozen=True)
class Batch:
    """One batch that was let through."""

    at_s: float
    rows: int
    wal_bytes: int
    stripe: int


class Over(Exception):
    """The plant's time is up."""


class Plant:
    """The clock, the primary and its paths; plays the part of the session that the gate reads.

    `watch` is called each `watch_s` with every path brought up to date.
    """

    def __init__(self, *paths: Path, work: Work | None = None, seed: int = 0) -> None:
        self.paths, self.work, self.random = paths, work or Work(), Random(seed)
        self.now_s = 0.0
        self.insert = float(START_LSN)
        self.flushed = START_LSN
        self.written = Written()
        self.batches: MutableSequence[Batch] = []
        self.waits: MutableSequence[tuple[float, WaitReason | None]] = []
        self.until_s = 0.0
        self.watch: Callable[[], None] = lambda: None
        self.watch_s = INFINITE
        self._started = False
        self._flushed_s = (self.random.random() - 1) * WALWRITER_S
        self._own_bytes_s = 0.0
        self._foreign_bytes_s = 0.0

    def __repr__(self) -> str:
        return f"Plant({self.paths}, {self.work})"

    def _start(self) -> None:
        self._started = True
        for path in self.paths:
            path.start(self.written)
        edges = {at_s for at_s, _ in self.work.foreign}
        edges |= {begin for path in self.paths for begin, _ in path.cut}
        self._edges = sorted(edges, reverse=True)
        self._watched_s = self.now_s + self.watch_s

    def pass_time(self, span_s: float) -> None:
        """Let time pass, and bring every path up to it."""
        self._pass(span_s)
        self.settle()

    def _pass(self, span_s: float) -> None:
        if not self._started:
            self._start()
        end_s = self.now_s + span_s
        while True:
            edge_s = self._edges[-1] if self._edges else INFINITE
            next_s = min(end_s, edge_s, self._watched_s)
            self._write_until(next_s)
            if next_s == edge_s:
                self._turn(self._edges.pop())
            if next_s == self._watched_s:
                self._watched_s += self.watch_s
                self.settle()
                self.watch()
            if next_s == end_s:
                return

    def settle(self) -> None:
        """Bring every path up to now, and forget what is long past."""
        if not self._started:
            self._start()
        for path in self.paths:
            path.advance(self.now_s)
        if len(self.written.at_s) > KEPT:
            oldest_s = min((path.forgets_before_s() for path in self.paths), default=self.now_s)
            gone = self.written.forget(oldest_s)
            for path in self.paths:
                path.forget(gone)

    def _turn(self, at_s: float) -> None:
        self._foreign_bytes_s = value_at(self.work.foreign, at_s)
        for path in self.paths:
            if any(begin == at_s for begin, _ in path.cut):
                path.advance(at_s)
                path.disconnect(at_s)

    def _write_until(self, end_s: float) -> None:
        rate = self._own_bytes_s + self._foreign_bytes_s
        lump = max(WALWRITER_BYTES, rate * WALWRITER_LUMP_S)
        began_s = self.now_s
        while True:
            due_s = self._flushed_s + (FOREIGN_COMMIT_S if self._foreign_bytes_s else WALWRITER_S)
            if rate > 0:
                due_s = min(due_s, self.now_s + max(0.0, lump - (self.insert - self.flushed)) / rate)
            elif self.insert <= self.flushed:
                break
            if due_s > end_s:
                break
            self.insert += rate * max(0.0, due_s - self.now_s)
            self.now_s = max(self.now_s, due_s)
            self._flush()
        self.insert += rate * (end_s - self.now_s)
        self.now_s = end_s
        if rate > 0:
            self.written.write(began_s, end_s, self.insert)
        if end_s - self._flushed_s >= WALWRITER_S and self.insert <= self.flushed:
            self._flushed_s = end_s - (end_s - self._flushed_s) % WALWRITER_S

    def _flush(self) -> None:
        self._flushed_s = self.now_s
        if int(self.insert) > self.flushed:
            self.flushed = int(self.insert)
            self.written.flushes.append((self.now_s, self.flushed))

    async def sleep(self, delay_s: float) -> None:
        self._pass(delay_s)
        if self.now_s >= self.until_s:
            raise Over

    async def read_signals(self) -> Signals:
        if self.now_s >= self.until_s:
            raise Over
        began_s, half_s = self.now_s, self.work.round_trip_s / 2
        self._pass(half_s)
        self.settle()
        now_s, insert, flushed = self.now_s, int(self.insert), self.flushed
        seen = tuple(
            Replica(name=path.name, state="streaming", replay_lsn=path.look(now_s), sync=path.sync)
            for path in self.paths
            if path.in_view(now_s)
        )
        self._pass(half_s + self._stall_s())
        took_s = self.now_s - began_s
        return Signals(
            at_s=now_s, insert_lsn=insert, flush_lsn=flushed, visible=True, round_trip_s=took_s, replicas=seen
        )

    def _stall_s(self) -> float:
        stall_s = self.work.stall_s
        return stall_s * self.random.random() if stall_s and self.random.random() < 0.05 else 0.0

    async def save_wait(self, reason: WaitReason | None, replicas_seen: tuple[SeenReplica, ...]) -> None:
        self.waits.append((self.now_s, reason))
        self._pass(self.work.round_trip_s)

    async def save_history(self, span: HistorySpan) -> None:
        self._pass(self.work.round_trip_s)

    def fill(self, rows: int, stripe: int, *, flush: bool = False) -> Committed:
        """Run one batch: its WAL appears evenly while it runs, and is flushed at its end where that is asked for."""
        work, began_s = self.work, self.now_s
        noise = 1.0 + work.noise * (2 * self.random.random() - 1)
        wal_bytes = max(1, int(rows * work.row_bytes_at(self.now_s, stripe) * noise))
        took_s = work.commit_s + rows * work.row_s + self._stall_s()
        self._pass(2 * work.round_trip_s)
        self._own_bytes_s = wal_bytes / took_s
        self._pass(took_s)
        self._own_bytes_s = 0.0
        if flush:
            self._flush()
            self._pass(work.flush_s)
        self.batches.append(Batch(began_s, rows, wal_bytes, stripe))
        self._pass(work.round_trip_s)
        checkpoint = Checkpoint(end_page=1)
        return Committed(
            checkpoint=checkpoint,
            rows=rows,
            rows_unconverged=0,
            rows_hot=0,
            wal_bytes=wal_bytes,
            insert_lsn=int(self.insert),
            took_s=self.now_s - began_s,
            samples=(),
        )
