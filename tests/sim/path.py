"""A replica and the link to it, exactly, from event to event: messages in, replay, replies back.

What is flushed leaves in messages, one after the other at the link's rate; each is replayed at the replica's rate,
and replies tell the position to the primary. The true lag is kept here, from the primary's own record of what was
written when; nothing of `backfill` takes part in that.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import pairwise

from tests.sim.server import INFINITE, START_LSN, Server, Span, Steps, Written, value_at, within

MB = 1024 * 1024
MESSAGE_BYTES = 128 * 1024
MESSAGE_S = 0.01
"""A message of a fast link may be larger: this long on its way."""
HELLO_S = 0.5
"""Time after which a replica that has come back tells its position for the first time."""
Part = tuple[float, float, float, float]
"""A stretch of even replay: from when to when, from which position to which."""


@dataclass
class Path:
    """A replica and its link. `rates` are steps (from when, bytes/s); frozen is half-open, cut is out of view.

    `commit_s` is what a commit of the application would wait for a synchronous replica at the last look.
    """

    name: str = "replica-a"
    rates: Steps = ((0.0, 4.0 * MB),)
    latency_s: float = 0.001
    replay_bytes_s: float = 200.0 * MB
    reply_s: float = 0.02
    frozen: tuple[Span, ...] = ()
    cut: tuple[Span, ...] = ()
    behind_bytes: int = 0
    sync: bool = False

    replayed: float = field(default=0.0, repr=False)
    shown: int | None = field(default=None, repr=False)
    lag_s: float = field(default=0.0, repr=False)
    worst_lag_s: float = field(default=0.0, repr=False)
    behind: float = field(default=0.0, repr=False)
    worst_bytes: float = field(default=0.0, repr=False)
    commit_s: float = field(default=0.0, repr=False)

    def start(self, written: Written) -> None:
        """Begin at time 0, with the schedule of rates and accidents as it is now."""
        self._written = written
        self._sent = self._received = self._flushed = START_LSN - self.behind_bytes
        self.replayed, self.shown = float(self._sent), self._sent
        self._link = Server(self.rates, self.frozen)
        self._replay = Server(((0.0, self.replay_bytes_s),), self.frozen)
        self._flush_at = 0
        self._flying: deque[tuple[float, int]] = deque()
        self._waiting: deque[tuple[float, int]] = deque()
        self._parts: deque[Part] = deque()
        self._told: deque[Part] = deque()
        self._silent_until_s = -INFINITE
        self._planned = float(self._sent)

    def in_view(self, at_s: float) -> bool:
        return not (self.cut and within(self.cut, at_s))

    def forgets_before_s(self) -> float:
        """Return the moment before which this path needs no record of what was written or flushed."""
        flushes = self._written.flushes
        passed_s = self._written.passed_s(self.replayed, after=False)
        return min(passed_s, flushes[self._flush_at][0] if self._flush_at < len(flushes) else INFINITE)

    def forget(self, flushes: int) -> None:
        """Follow the record, of which so many flushes were dropped."""
        self._flush_at -= flushes

    def capacity_bytes(self, from_s: float, to_s: float) -> float:
        """Return what the slower of link and replay can carry in a span of time, frozen and cut ones aside."""
        stopped = (*self.frozen, *self.cut)
        edges = {from_s, to_s, *(at_s for at_s, _ in self.rates), *(edge for span in stopped for edge in span)}
        inside = sorted(edge for edge in edges if from_s <= edge <= to_s)
        return sum(
            (end - begin) * min(value_at(self.rates, begin), self.replay_bytes_s)
            for begin, end in pairwise(inside)
            if not within(stopped, begin)
        )

    def disconnect(self, now_s: float) -> None:
        """Lose what is on its way; `advance` was called for this moment."""
        end_s = next(end for begin, end in self.cut if begin <= now_s < end)
        self._flying.clear()
        self._sent, self._silent_until_s = self._received, end_s + HELLO_S
        self._link.restart(end_s)

    def advance(self, now_s: float) -> None:
        """Bring the path up to this moment."""
        if self._link.free_s <= now_s:
            self._send(now_s)
        while self._flying and self._flying[0][0] <= now_s:
            at_s, end = self._flying.popleft()
            self._waiting.append((at_s, end))
            self._received = end
        while self._waiting and max(self._waiting[0][0], self._replay.free_s) <= now_s:
            at_s, end = self._waiting[0]
            begin_s, end_s, done = self._replay.part(max(at_s, self._replay.free_s), end - self._planned)
            part = (begin_s, end_s, self._planned, self._planned + done)
            if end - part[3] < 0.5:
                part = (begin_s, end_s, self._planned, float(end))
                self._waiting.popleft()
            self._planned = part[3]
            self._parts.append(part)
            self._told.append(part)
        self._measure(now_s)

    def _send(self, now_s: float) -> None:
        link, flushes = self._link, self._written.flushes
        while link.free_s <= now_s:
            begin_s = link.free_s
            if self._flushed <= self._sent:
                if self._flush_at == len(flushes):
                    return
                begin_s = max(begin_s, flushes[self._flush_at][0])
            while self._flush_at < len(flushes) and flushes[self._flush_at][0] <= begin_s:
                self._flushed = flushes[self._flush_at][1]
                self._flush_at += 1
            if self._flushed > self._sent:
                size = min(self._flushed - self._sent, max(MESSAGE_BYTES, int(link.rate(begin_s) * MESSAGE_S)))
                self._sent += size
                self._flying.append((link.serve(begin_s, size) + self.latency_s, self._sent))

    def _measure(self, now_s: float) -> None:
        """Keep the age of the oldest byte that is written and not replayed, and its worst."""
        parts, written, worst_s = self._parts, self._written, self.worst_lag_s
        while parts and parts[0][1] <= now_s:
            begin_s, end_s, low, high = parts.popleft()
            worst_s = max(
                worst_s, begin_s - written.passed_s(low, after=True), end_s - written.passed_s(high, after=False)
            )
            self.replayed = high
        if parts and parts[0][0] < now_s:
            begin_s, end_s, low, high = parts[0]
            worst_s = max(worst_s, begin_s - written.passed_s(low, after=True))
            self.replayed = low + (high - low) * (now_s - begin_s) / (end_s - begin_s)
        self.behind = written.lsn[-1] - self.replayed
        self.lag_s = 0.0
        if self.behind >= 1:
            self.lag_s = max(0.0, now_s - written.passed_s(self.replayed, after=True))
        self.worst_lag_s = max(worst_s, self.lag_s)
        self.worst_bytes = max(self.worst_bytes, self.behind)
        if self.sync:
            unsent = written.lsn[-1] - self._sent
            rate = self._link.rate(now_s) or INFINITE
            self.commit_s = max(0.0, self._link.free_s - now_s) + unsent / rate + 2 * self.latency_s

    def look(self, now_s: float) -> int | None:
        """Return the position that the primary was told: each `reply_s`, and whenever everything is replayed."""
        then_s = now_s - self.latency_s
        if then_s < self._silent_until_s:
            self.shown = None
            return None
        told, tick_s = self._told, then_s - then_s % self.reply_s
        while told and told[0][1] <= tick_s:
            told.popleft()
        position = told[0][2] if told else self._planned
        if told and told[0][0] < tick_s:
            begin_s, end_s, low, high = told[0]
            position = low + (high - low) * (tick_s - begin_s) / (end_s - begin_s)
        for index, (_, end_s, _, high) in enumerate(told):
            if end_s > then_s:
                break
            if index + 1 == len(told) or told[index + 1][0] > end_s:
                position = high
        self.shown = max(self.shown or 0, int(position))
        return self.shown
