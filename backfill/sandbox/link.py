"""A TCP path on loopback that can be made slow, late, dead or half-dead while it is in use.

A frozen link is half-open: sockets stay open and the kernel still accepts, but no byte moves. Its methods
may be called from any thread and return when they are in force.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import struct
import threading
from typing import TYPE_CHECKING

from backfill.sandbox.traffic import Direction, LinkState, Stream

if TYPE_CHECKING:
    from collections.abc import Coroutine

_BUFFER_BYTES = 16 * 1024
# An Ethernet's, not loopback's 64 kB: the target's kernel sizes its own send buffer by it, and that
# buffer, about a megabyte, is the only one on the way that is not ours to bound.
_SEGMENT_BYTES = 1448
_CALL_S = 10.0


class Link:
    """Listens on `port` and forwards to `target_port`, both on 127.0.0.1."""

    def __init__(self, target_port: int, *, rate_bytes_s: int | None = None, delay_s: float = 0.0) -> None:
        self._target_port = target_port
        self._built = (rate_bytes_s, delay_s)
        self._state = LinkState(rate_bytes_s=rate_bytes_s, delay_s=delay_s)
        self._state.moving.set()
        self._back, self._forth = Direction(self._state), Direction(self._state)
        self._listener = _socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(64)
        self.port: int = self._listener.getsockname()[1]
        self._connections: set[asyncio.Task[None]] = set()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"link to {target_port}", daemon=True)
        self._thread.start()
        self._started.wait(_CALL_S)

    @property
    def forwarded_bytes(self) -> int:
        """Bytes delivered from the target to those that connected, such as WAL to a standby."""
        return self._forth.delivered_bytes

    @property
    def connections(self) -> int:
        """Connections that are open now."""
        return len(self._connections)

    def limit(self, rate_bytes_s: int | None) -> None:
        """Let at most this much through per second, in each direction."""
        if rate_bytes_s is not None and rate_bytes_s <= 0:
            raise ValueError(f"a rate of {rate_bytes_s} bytes/s: use freeze()")
        self._state.rate_bytes_s = rate_bytes_s

    def delay(self, delay_s: float) -> None:
        """Deliver each byte this much later, in each direction, at the same rate."""
        self._state.delay_s = delay_s

    def freeze(self) -> None:
        """Keep every connection open and move nothing."""
        self._loop.call_soon_threadsafe(self._state.moving.clear)
        self._call(asyncio.sleep(0))

    def cut(self) -> None:
        """Reset every connection; new ones are accepted, unless refused."""
        self._call(self._abort())

    def refuse(self) -> None:
        """Reset every connection, and each new one at once."""
        self._state.refusing = True
        self.cut()

    def restore(self) -> None:
        """Make it what it was when it was made; a thawed connection goes on where it stood."""
        self.limit(self._built[0])
        self.delay(self._built[1])
        self._state.refusing = False
        self._loop.call_soon_threadsafe(self._state.moving.set)
        self._call(asyncio.sleep(0))

    def close(self) -> None:
        """Reset every connection and stop listening; a second time does nothing."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._accepting.cancel)
            self._thread.join(_CALL_S)

    def _call(self, coroutine: Coroutine[None, None, None]) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(_CALL_S)

    def _run(self) -> None:
        with self._listener, contextlib.suppress(asyncio.CancelledError):
            asyncio.run(self._accept())

    async def _accept(self) -> None:
        self._loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None
        self._accepting = task
        self._started.set()
        while True:
            client, _ = await self._loop.sock_accept(self._listener)
            connection = asyncio.create_task(self._carry(client))
            self._connections.add(connection)
            connection.add_done_callback(functools.partial(self._forget, client))

    def _forget(self, client: socket.socket, connection: asyncio.Task[None]) -> None:
        client.close()  # here too: a task that is cancelled before its first step runs no `finally`
        self._connections.discard(connection)

    async def _carry(self, client: socket.socket) -> None:
        """Carry one connection to its end: both sides closed in order, or both reset."""
        target = _socket()
        target.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, _SEGMENT_BYTES)
        with client, target:
            try:
                if self._state.refusing:
                    raise ConnectionRefusedError
                await self._state.moving.wait()
                await self._loop.sock_connect(target, ("127.0.0.1", self._target_port))
                forth, back = Stream(self._forth, target, client), Stream(self._back, client, target)
                async with asyncio.TaskGroup() as group:
                    for flow in (forth, back):
                        group.create_task(flow.take())
                        group.create_task(flow.give())
            except* OSError:
                _reset(client, target)
            except* asyncio.CancelledError:
                _reset(client, target)

    async def _abort(self) -> None:
        while connections := list(self._connections):
            for connection in connections:
                connection.cancel()
            await asyncio.wait(connections)
            await asyncio.sleep(0)


def _socket() -> socket.socket:
    made = socket.socket()
    made.setblocking(False)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def _reset(*sockets: socket.socket) -> None:
    """Make closing these sockets send RST."""
    for each in sockets:
        each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
