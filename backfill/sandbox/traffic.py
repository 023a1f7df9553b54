"""One direction of a link: bytes carried from one socket to another at a rate, after a delay, or not at all.

Back pressure is the sender's: apart from what is on its way for `delay_s`, a flow holds a few kilobytes.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_TICK_S = 0.01  # a chunk is what the rate allows in this time; also how soon a change is felt
_CATCH_UP_S = 0.03  # lateness of our own timers that is made up for: also the largest burst
_CHUNK_BYTES = range(64, 65_536)
_UNLIMITED_BYTES_S = 256 * 1024 * 1024  # only to bound what a delay keeps in memory


@dataclass(slots=True, kw_only=True)
class LinkState:
    """What a link does to its traffic: written by any thread (`moving`: by its loop), read at each chunk."""

    rate_bytes_s: int | None = None
    delay_s: float = 0.0
    refusing: bool = False
    moving: asyncio.Event = field(default_factory=asyncio.Event)


class Direction:
    """One direction's share of the wire, common to all connections of a link."""

    def __init__(self, state: LinkState) -> None:
        self.state = state
        self.delivered_bytes = 0
        self._rate_bytes_s: int | None = None
        self._busy_until_s = 0.0

    @property
    def chunk_bytes(self) -> int:
        """How much to take at once."""
        rate = self.state.rate_bytes_s
        wanted = _CHUNK_BYTES.stop if rate is None else int(rate * _TICK_S)
        return min(max(wanted, _CHUNK_BYTES.start), _CHUNK_BYTES.stop)

    @property
    def in_flight_max_bytes(self) -> int:
        """The product of bandwidth and delay: what must be on its way for the rate to be reached."""
        rate = self.state.rate_bytes_s or _UNLIMITED_BYTES_S
        return self.chunk_bytes + int(rate * self.state.delay_s)

    async def transmit(self, size_bytes: int) -> None:
        """Occupy the wire for as long as the rate demands, behind whoever came before."""
        rate = self.state.rate_bytes_s
        if rate is None:
            return
        now_s = asyncio.get_running_loop().time()
        if rate != self._rate_bytes_s:  # nobody waits for what was slow to send before
            self._rate_bytes_s, self._busy_until_s = rate, now_s
        self._busy_until_s = max(self._busy_until_s, now_s - _CATCH_UP_S) + size_bytes / rate
        sent_s = self._busy_until_s
        await _moment(lambda: sent_s if self.state.rate_bytes_s == rate else 0.0)

    async def travel(self, since_s: float) -> None:
        """Wait for the delay to be over, as it is now and not as it was when the bytes set out."""
        await _moment(lambda: since_s + self.state.delay_s)


async def _moment(moment_s: Callable[[], float]) -> None:
    """Sleep until a moment that may move in the meantime."""
    loop = asyncio.get_running_loop()
    while True:
        early_s = moment_s() - loop.time()
        if early_s <= 0:
            return
        await asyncio.sleep(min(early_s, _TICK_S))


class Stream:
    """One connection's bytes in one direction."""

    def __init__(self, direction: Direction, source: socket.socket, sink: socket.socket) -> None:
        self._direction = direction
        self._source = source
        self._sink = sink
        self._line: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        self._in_flight_bytes = 0
        self._room = asyncio.Event()

    async def take(self) -> None:
        """Read the source at the direction's rate until it ends."""
        loop = asyncio.get_running_loop()
        while True:
            await self._direction.state.moving.wait()
            data = await loop.sock_recv(self._source, self._direction.chunk_bytes)
            await self._direction.transmit(len(data))
            self._in_flight_bytes += len(data)
            self._line.put_nowait((loop.time(), data))
            if not data:
                return
            while self._in_flight_bytes >= self._direction.in_flight_max_bytes:
                self._room.clear()
                await self._room.wait()

    async def give(self) -> None:
        """Write to the sink what has been on its way long enough, and its end."""
        loop = asyncio.get_running_loop()
        while True:
            taken_s, data = await self._line.get()
            await self._direction.travel(taken_s)
            await self._direction.state.moving.wait()
            if not data:
                self._sink.shutdown(socket.SHUT_WR)
                return
            await loop.sock_sendall(self._sink, data)
            self._direction.delivered_bytes += len(data)
            self._in_flight_bytes -= len(data)
            self._room.set()
