"""The HTTP server: uvicorn as a task among ours. Signals, logging and the socket stay with us.

Strangers can reach the port, so everything of theirs is bounded: connections, headers, and the time of a request. A new
connection always gets in, at the expense of the oldest idle one, so that probes are answered. Nothing that a stranger
sends is logged.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import anyio
import h11
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

CONNECTIONS_MAX = 64
ACCEPTED_AT_ONCE = 16
"""asyncio accepts as many before it hands over the first one: the limit may be passed by this many."""
QUEUE = 1024
"""Connections that the kernel keeps until they are accepted: a probe that it drops comes again only after a second."""
REQUEST_S = 10.0
"""Time from a request's first byte, or from the connection, to the end of the answer."""
IDLE_S = 5.0
HEADER_BYTES_MAX = 16 * 1024
PORTS = 65536
STOP_S = 2.0

log = logging.getLogger(__name__)


class _Connection(H11Protocol):
    """A connection with an end: it has REQUEST_S for each request, and IDLE_S between two."""

    _deadline: asyncio.TimerHandle | None = None
    _since_s = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection; drop the oldest idle one if there are too many."""
        super().connection_made(transport)
        self._since_s = self.loop.time()
        self._start_clock()
        if len(self.connections) > CONNECTIONS_MAX:
            others = (
                connection
                for connection in self.connections
                if isinstance(connection, _Connection) and connection is not self
            )
            min(others, key=lambda other: (other.busy, other._since_s)).drop()  # noqa: SLF001 - of our own class

    def data_received(self, data: bytes) -> None:
        """Read a request; what HTTP does not allow ends the connection."""
        self._start_clock()
        try:
            super().data_received(data)
        except h11.ProtocolError:
            self.drop()

    def on_response_complete(self) -> None:
        """Leave the time until the next request to the keep-alive timer."""
        self._stop_clock()
        super().on_response_complete()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, even if its peer does not read what is left of an answer."""
        self.drop()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_clock()
        super().connection_lost(exc)

    @property
    def busy(self) -> bool:
        """Whether a request is being answered."""
        cycle: RequestResponseCycle | None = self.cycle  # None before the first request, whatever its type says
        return cycle is not None and not cycle.response_complete

    def drop(self) -> None:
        """Close the connection at once."""
        self.connections.discard(self)
        self.transport.abort()

    def _start_clock(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(REQUEST_S, self.drop)

    def _stop_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class _Server(uvicorn.Server):
    """A uvicorn that leaves SIGTERM to the worker, which has a batch to end."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or ():
            listener.listen(QUEUE)  # asyncio has just set it to what it accepts at once
        self._ready()


async def serve(app: ASGIApp, host: str, port: int, *, started: Callable[[tuple[str, int]], None]) -> None:
    """Serve until cancelled; call `started` with the address that was bound, port 0 resolved.

    Raises:
        OSError: The address cannot be bound; the message names it and what to do.
    """
    listener = await _listen(host, port)
    address: tuple[str, int] = listener.getsockname()[:2]
    config = uvicorn.Config(
        _logging_our_errors(app),
        http=_Connection,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=ACCEPTED_AT_ONCE,
        h11_max_incomplete_event_size=HEADER_BYTES_MAX,
        timeout_keep_alive=int(IDLE_S),
        timeout_graceful_shutdown=1,
    )
    server = _Server(config, lambda: started(address))
    try:
        await server.serve(sockets=[listener])
    except anyio.get_cancelled_exc_class():
        # A cancelled uvicorn closes nothing by itself: answers in flight would be cut, sockets leak.
        with anyio.CancelScope(shield=True), anyio.move_on_after(STOP_S):
            await server.shutdown(sockets=[listener])
        for connection in list(server.server_state.connections):
            connection.transport.abort()
        raise
    finally:
        listener.close()


def _logging_our_errors(app: ASGIApp) -> ASGIApp:
    """Return the app with its own errors logged; uvicorn's log, in which a stranger can write, is off."""

    async def logged(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except h11.ProtocolError:
            raise
        except Exception:
            log.exception("answering %s failed", scope.get("path"))
            raise

    return logged


async def _listen(host: str, port: int) -> socket.socket:
    if port not in range(PORTS):
        raise OSError(f"cannot listen on {host}:{port}: a port is below {PORTS}")
    try:
        found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, _kind, _protocol, _name, address = found[0]
        both = host == "::" and socket.has_dualstack_ipv6()
        return socket.create_server(address[:2], family=family, dualstack_ipv6=both, backlog=QUEUE)
    except OSError as error:
        why = "the port is in use" if error.errno == errno.EADDRINUSE else error.strerror
        raise OSError(f"cannot listen on {host}:{port}: {why}; choose another address with --http HOST:PORT") from error
