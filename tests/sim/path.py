"""A replica and the link to it, exactly, from event to event: messages in, replay, replies back.

What is flushed leaves in messages, one after the other at the link's rate; each is replayed at the replica's rate,
and replies tell the position to the primary. The true lag is kept here, from the primary's own record of what was
written when; nothing of `backfill` takes part in that.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from dataclasses import dataclass, field
from itertools import pairwise

MB = 1024 * 1024
START_LSN = 1 << 30
MESSAGE_BYTES = 128 * 1024
MESSAGE_S = 0.01
"""A message of a fast link may be larger: this long on its way."""
HELLO_S = 0.5
"""Time after which a replica that has come back tells its position for the first time."""
INFINITE = float("inf")

Span = tuple[float, float]
Steps = tuple[tuple[float, float], ...]


def within(spans: tuple[Span, ...], at_s: float) -> bool:
    return any(begin <= at_s < end for begin, end in spans)


def value_at(steps: Steps, at_s: float) -> float:
    """Return the value of a function that is given by its steps (from when, value)."""
    return next(value for since_s, value in reversed(steps) if since_s <= at_s)


@dataclass
class Written:
    """What the primary wrote and flushed when. Positions ascend; between two of them the rate is even."""

    at_s: list[float] = field(default_factory=lambda: [0.0])
    lsn: list[float] = field(default_factory=lambda: [float(START_LSN)])
    flushes: list[tuple[float, int]] = field(default_factory=lambda: [(0.0, START_LSN)])

    def write(self, from_s: float, to_s: float, lsn: float) -> None:
        """Record that the position moved evenly to `lsn`."""
        at, positions = self.at_s, self.lsn
        if at[-1] < from_s - 1e-9:
            at.append(from_s)
            positions.append(positions[-1])
        at.append(to_s)
        positions.append(lsn)

    def passed_s(self, lsn: float, *, after: bool) -> float:
        """Return when the byte before `lsn` was written, or the one after it (infinite: not yet)."""
        positions = self.lsn
        index = bisect_right(positions, lsn) if after else bisect_left(positions, lsn)
        if index == len(positions):
            return INFINITE
        if index == 0:
            return self.at_s[0]
        low, low_s = positions[index - 1], self.at_s[index - 1]
        return low_s + (lsn - low) / (positions[index] - low) * (self.at_s[index] - low_s)

    def forget(self, before_s: float) -> int:
        """Drop what is older than this; return how many flushes went."""
        old = max(0, bisect_left(self.at_s, before_s) - 1)
        del self.at_s[:old], self.lsn[:old]
        gone = bisect_left(self.flushes, (before_s, 0))
        del self.flushes[:gone]
        return gone


class Server:
    """Serves one after the other at a rate that follows the clock: (from when, bytes/s) in steps."""

    def __init__(self, steps: Steps, stopped: tuple[Span, ...]) -> None:
        edges = sorted({0.0, *(at_s for at_s, _ in steps), *(edge for span in stopped for edge in span)})
        self.since_s = [*edges, INFINITE]
        self.rates = [0.0 if within(stopped, at_s) else value_at(steps, at_s) for at_s in edges]
        self.free_s = 0.0
        self._at = 0

    def rate(self, at_s: float) -> float:
        return self.rates[bisect_right(self.since_s, at_s) - 1]

    def serve(self, begin_s: float, size: float) -> float:
        """Return when the last of so many bytes is through."""
        while self.since_s[self._at + 1] <= begin_s:
            self._at += 1
        while True:
            rate, until_s = self.rates[self._at], self.since_s[self._at + 1]
            end_s = begin_s + size / rate if rate > 0 else INFINITE
            if end_s <= until_s:
                self.free_s = end_s
                return end_s
            size -= rate * (until_s - begin_s)
            begin_s = until_s
            self._at += 1

    def part(self, begin_s: float, size: float) -> tuple[float, float, float]:
        """Serve what goes through before the rate changes; return begin, end and how much it was."""
        while self.since_s[self._at + 1] <= begin_s or self.rates[self._at] == 0:
            self._at += 1
            begin_s = max(begin_s, self.since_s[self._at])
        rate, until_s = self.rates[self._at], self.since_s[self._at + 1]
        done = min(size, rate * (until_s - begin_s))
        self.free_s = begin_s + size / rate if done == size else until_s
        return begin_s, self.free_s, done

    def restart(self, at_s: float) -> None:
        self.free_s, self._at = at_s, bisect_right(self.since_s, at_s) - 1


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
