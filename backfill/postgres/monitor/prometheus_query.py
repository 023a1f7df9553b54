"""One number from a Prometheus server, by its HTTP API (`/api/v1/query`), and why there is none.

urllib bounds each read from the socket, not the answer as a whole, and its DNS query not at all. So it runs in a thread
that is given up when the time is over: its connection is shut down, and it never keeps the process alive.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import math
import socket
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from backfill.values.errors import BackfillError

TIMEOUT_S = 5.0
ANSWER_BYTES_MAX = 1_000_000
WORDS_MAX = 200
"""Characters of the server's own words in a message."""


class Unanswered(BackfillError):
    """There is no number, and why."""


async def read(url: str, query: str) -> float:
    """Return the query's value now, the highest of several series; raise Unanswered if there is none in time."""
    sockets: list[socket.socket] = []
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[float] = loop.create_future()

    def settle(value: float | BaseException) -> None:
        if answer.done():
            return
        if isinstance(value, BaseException):
            answer.set_exception(value)
        else:
            answer.set_result(value)

    def ask() -> None:
        value: float | BaseException
        try:
            value = _ask(url, query, sockets)
        except BaseException as error:  # noqa: BLE001 - whatever it is belongs to the caller
            value = error
        with suppress(RuntimeError):  # the loop is closed: nobody waits any longer
            loop.call_soon_threadsafe(settle, value)

    threading.Thread(target=ask, name="prometheus", daemon=True).start()
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return await answer
    except TimeoutError:
        raise Unanswered(f"prometheus gives no answer within {TIMEOUT_S:g}s") from None
    finally:
        for connected in sockets:
            with connected, suppress(OSError):
                connected.shutdown(socket.SHUT_RDWR)


def _ask(url: str, query: str, sockets: list[socket.socket]) -> float:
    """Return the value; `sockets` gets a duplicate of each socket, through which its reads can be ended. Blocks."""
    request = f"{url}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    opener = urllib.request.build_opener(_Plain(sockets), _Secure(sockets))
    try:
        # The scheme was checked with the job file: http or https, nothing that opens a file.
        with opener.open(request, timeout=TIMEOUT_S) as answer:
            return value_of(json.loads(answer.read(ANSWER_BYTES_MAX)))
    except urllib.error.HTTPError as error:
        with error:
            raise Unanswered(f"prometheus answers {error.code} {error.reason[:WORDS_MAX]}") from None
    except (OSError, http.client.HTTPException, ValueError, RecursionError) as error:
        why = str(getattr(error, "reason", None) or error)[:WORDS_MAX]
        raise Unanswered(f"prometheus cannot be asked: {why}") from None


class _Plain(urllib.request.HTTPHandler):
    def __init__(self, sockets: list[socket.socket]) -> None:
        super().__init__()
        self._sockets = sockets

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_connection, http.client.HTTPConnection, self._sockets), req)


class _Secure(urllib.request.HTTPSHandler):
    def __init__(self, sockets: list[socket.socket]) -> None:
        super().__init__()
        self._sockets = sockets

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_connection, http.client.HTTPSConnection, self._sockets), req)


def _connection(
    make: Callable[..., http.client.HTTPConnection], sockets: list[socket.socket], *arguments: Any, **options: Any
) -> http.client.HTTPConnection:
    def connect(*address: Any, **bounds: Any) -> socket.socket:
        connected = socket.create_connection(*address, **bounds)
        sockets.append(connected.dup())
        return connected

    made = make(*arguments, **options)
    made._create_connection = connect  # type: ignore[attr-defined]  # noqa: SLF001 - where it may be replaced
    return made


def value_of(answer: Any) -> float:
    """Return the value of an answer: of a scalar, or the highest of a vector; raise Unanswered for none or NaN."""
    values: list[float] | None = None
    with suppress(ValueError, TypeError, LookupError):  # the answer may be anything
        match answer:
            case {"status": "success", "data": {"resultType": "scalar", "result": [_, value]}}:
                values = [float(value)]
            case {"status": "success", "data": {"resultType": "vector", "result": series}}:
                values = [float(sample["value"][1]) for sample in series]
    if values is None:
        raise Unanswered("prometheus gives neither a scalar nor a vector")
    if not values:
        raise Unanswered("prometheus has no series for the query")
    if any(math.isnan(value) for value in values):
        raise Unanswered("prometheus says NaN")
    return max(values)
