"""A primary, its replicas and the paths between them, in discrete time, deterministic by its seed.

Own commits are asynchronous: WAL waits for the walwriter before it may be sent. It travels in messages, is replayed
at a rate, and the primary learns of it from replies, which travel back. The true lag of a replica is kept here, step
by step, from the plant's own record of what was written when; nothing of `backfill` takes part in that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from backfill.core.batch import Filled
from backfill.core.reason import Reason
from backfill.core.scan import Scan
from backfill.core.signals import Replica, Signals

MB = 1024 * 1024
STEP_S = 0.005
MESSAGE_BYTES = 128 * 1024
WALWRITER_S = 0.2
WALWRITER_BYTES = MB
HELLO_S = 0.5
"""Time after which a replica that has come back tells its position for the first time."""
START_LSN = 1 << 30

Span = tuple[float, float]


def within(spans: tuple[Span, ...], at_s: float) -> bool:
    return any(begin <= at_s < end for begin, end in spans)


@dataclass
class Path:
    """A replica and its link. `rates` are steps (from when, bytes/s); frozen is half-open, cut is out of view."""

    name: str = "replica-a"
    rates: tuple[tuple[float, float], ...] = ((0.0, 4 * MB),)
    latency_s: float = 0.001
    replay_bytes_s: float = 200 * MB
    reply_s: float = 0.02
    frozen: tuple[Span, ...] = ()
    cut: tuple[Span, ...] = ()
    behind_bytes: int = 0

    sent: int = 0
    received: int = 0
    replayed: float = 0.0
    shown: int | None = None
    lag_s: float = 0.0
    worst_lag_s: float = 0.0
    behind: float = 0.0
    worst_bytes: float = 0.0
    capacity_bytes: float = 0.0
    _remaining: float = 0.0
    _message_end: int = 0
    _flying: deque[tuple[float, int]] = field(default_factory=deque)
    _replies: deque[tuple[float, int]] = field(default_factory=deque)
    _replied_s: float = 0.0
    _replied: int = 0
    _silent_until_s: float = 0.0
    _passed: int = 0

    def start(self) -> None:
        self.sent = self.received = self._message_end = self._replied = START_LSN - self.behind_bytes
        self.replayed, self.shown = float(self.sent), self.sent

    def rate(self, at_s: float) -> float:
        return next(rate for since_s, rate in reversed(self.rates) if since_s <= at_s)

    def in_view(self, at_s: float) -> bool:
        return not within(self.cut, at_s)

    def step(self, now_s: float, step_s: float, flushed: int) -> None:
        rate = self.rate(now_s)
        self.capacity_bytes += min(rate, self.replay_bytes_s) * step_s
        if self.cut and within(self.cut, now_s):
            self._disconnect(now_s)
        elif not (self.frozen and within(self.frozen, now_s)):
            self._send(now_s, rate * step_s, flushed)
            self._reply(now_s)
        if not (self.frozen and within(self.frozen, now_s)):
            self.replayed = min(self.received, self.replayed + self.replay_bytes_s * step_s)

    def _disconnect(self, now_s: float) -> None:
        self._silent_until_s = now_s + HELLO_S
        self.sent = self._message_end = self.received
        self._remaining, self.shown = 0.0, None
        self._flying.clear()
        self._replies.clear()
        self._replied = 0

    def _send(self, now_s: float, allowance: float, flushed: int) -> None:
        while allowance > 0:
            if self._remaining <= 0:
                if flushed <= self.sent:
                    break
                size = min(MESSAGE_BYTES, flushed - self.sent)
                self.sent += size
                self._remaining, self._message_end = size, self.sent
            taken = min(allowance, self._remaining)
            allowance -= taken
            self._remaining -= taken
            if self._remaining <= 0:
                self._flying.append((now_s + self.latency_s, self._message_end))
        while self._flying and self._flying[0][0] <= now_s:
            self.received = self._flying.popleft()[1]

    def _reply(self, now_s: float) -> None:
        position = int(self.replayed)
        due = now_s - self._replied_s >= self.reply_s or position == self.received
        if due and position != self._replied and now_s >= self._silent_until_s:
            self._replies.append((now_s + self.latency_s, position))
            self._replied_s, self._replied = now_s, position
        while self._replies and self._replies[0][0] <= now_s:
            self.shown = self._replies.popleft()[1]

    def measure(self, now_s: float, written: list[tuple[float, int]]) -> None:
        """Age of the oldest byte that is written and not replayed."""
        while self._passed < len(written) and written[self._passed][1] <= self.replayed:
            self._passed += 1
        caught_up = self._passed == len(written)
        self.lag_s = 0.0 if caught_up else now_s - written[self._passed][0]
        self.behind = 0.0 if caught_up else written[-1][1] - self.replayed
        self.worst_lag_s = max(self.worst_lag_s, self.lag_s)
        self.worst_bytes = max(self.worst_bytes, self.behind)


@dataclass(frozen=True)
class Work:
    """What rows cost: bytes of WAL (more after a checkpoint) and seconds; what others write meanwhile."""

    row_bytes: float = 450.0
    row_s: float = 8e-6
    commit_s: float = 0.004
    round_trip_s: float = 0.001
    noise: float = 0.1
    first_stripe: float = 1.0
    checkpoints: tuple[Span, ...] = ()
    checkpoint_factor: float = 4.0
    foreign: tuple[tuple[float, float], ...] = ((0.0, 0.0),)

    def foreign_bytes_s(self, at_s: float) -> float:
        return next(rate for since_s, rate in reversed(self.foreign) if since_s <= at_s)

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
    """The clock, the primary and its paths; plays the part of the session that the gate reads."""

    def __init__(self, *paths: Path, work: Work | None = None, seed: int = 0) -> None:
        self.paths, self.work, self.random = paths, work or Work(), Random(seed)
        self.now_s = 0.0
        self.insert = float(START_LSN)
        self.flushed = START_LSN
        self.written: list[tuple[float, int]] = []
        self.batches: list[Batch] = []
        self.waits: list[tuple[float, Reason | None]] = []
        self.until_s = 0.0
        self.watch: Callable[[], None] = lambda: None
        self._flushed_s = self.random.random() * WALWRITER_S
        self._own_bytes_s = 0.0
        for path in paths:
            path.start()
            if path.behind_bytes:
                self.written.append((0.0, START_LSN))

    def idle(self, span_s: float) -> None:
        """Let time pass in which nobody writes; all that was written has long been replayed."""
        self.pass_time(2.0)
        self.now_s += span_s
        self.pass_time(STEP_S)

    def pass_time(self, span_s: float) -> None:
        end_s = self.now_s + span_s
        while self.now_s < end_s - 1e-9:
            self._step(min(STEP_S, end_s - self.now_s))

    def _step(self, step_s: float) -> None:
        before = self.insert
        self.insert += (self._own_bytes_s + self.work.foreign_bytes_s(self.now_s)) * step_s
        if int(self.insert) > int(before):
            self.written.append((self.now_s, int(self.insert)))
        self.now_s += step_s
        due = self.now_s - self._flushed_s >= WALWRITER_S or self.insert - self.flushed >= WALWRITER_BYTES
        if due:
            self.flushed, self._flushed_s = int(self.insert), self.now_s
        for path in self.paths:
            path.step(self.now_s, step_s, self.flushed)
            path.measure(self.now_s, self.written)
        self.watch()

    async def sleep(self, delay_s: float) -> None:
        self.pass_time(delay_s)
        if self.now_s >= self.until_s:
            raise Over

    async def read_signals(self) -> Signals:
        if self.now_s >= self.until_s:
            raise Over
        half_s = self.work.round_trip_s / 2
        self.pass_time(half_s)
        seen = tuple(Replica(path.name, "streaming", path.shown) for path in self.paths if path.in_view(self.now_s))
        signals = Signals(
            self.now_s,
            int(self.insert),
            self.flushed,
            visible=True,
            round_trip_s=self.work.round_trip_s,
            replicas=seen,
        )
        self.pass_time(half_s)
        return signals

    async def save_wait(self, reason: Reason | None, replicas_seen: frozenset[str]) -> None:
        self.waits.append((self.now_s, reason))
        self.pass_time(self.work.round_trip_s)

    def fill(self, rows: int, stripe: int) -> Filled:
        """Run one batch: its WAL appears evenly while it runs."""
        work, began_s = self.work, self.now_s
        noise = 1.0 + work.noise * (2 * self.random.random() - 1)
        wal_bytes = max(1, int(rows * work.row_bytes_at(self.now_s, stripe) * noise))
        took_s = work.commit_s + rows * work.row_s
        self.pass_time(2 * work.round_trip_s)
        self._own_bytes_s = wal_bytes / took_s
        self.pass_time(took_s)
        self._own_bytes_s = 0.0
        self.batches.append(Batch(began_s, rows, wal_bytes, stripe))
        self.pass_time(work.round_trip_s)
        scan = Scan(end_page=1, stripes=1)
        return Filled(scan, rows, 0, 0, wal_bytes, int(self.insert), self.now_s - began_s, ())
