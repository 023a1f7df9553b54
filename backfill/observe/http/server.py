"""The HTTP server: uvicorn as a task among ours. Signals, logging and the socket stay with us."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import anyio
import uvicorn
from starlette.types import ASGIApp

CONCURRENCY_MAX = 64
PORTS = 65536
STOP_S = 2.0


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
        self._ready()


async def serve(app: ASGIApp, host: str, port: int, *, started: Callable[[tuple[str, int]], None]) -> None:
    """Serve until cancelled; tell `started` the address that was bound, port 0 resolved.

    Raises:
        OSError: The address cannot be bound; the message names it and what to do.
    """
    listener = await _listen(host, port)
    address: tuple[str, int] = listener.getsockname()[:2]
    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=CONCURRENCY_MAX,
        timeout_graceful_shutdown=1,
    )
    server = _Server(config, lambda: started(address))
    try:
        await server.serve(sockets=[listener])
    except anyio.get_cancelled_exc_class():
        # A cancelled uvicorn closes nothing by itself: answers in flight would be cut, sockets leak.
        with anyio.CancelScope(shield=True), anyio.move_on_after(STOP_S):
            await server.shutdown(sockets=[listener])
        raise
    finally:
        listener.close()


async def _listen(host: str, port: int) -> socket.socket:
    if port not in range(PORTS):
        raise OSError(f"cannot listen on {host}:{port}: a port is below {PORTS}")
    try:
        found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, _kind, _protocol, _name, address = found[0]
        return socket.create_server(address[:2], family=family)
    except OSError as error:
        why = "the port is in use" if error.errno == errno.EADDRINUSE else error.strerror
        raise OSError(f"cannot listen on {host}:{port}: {why}; choose another address with --http HOST:PORT") from error
