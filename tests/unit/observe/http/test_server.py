"""Whatever strangers send, the probes answer, connections stay few, and the log stays empty."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from backfill.observe.http import server
from tests.unit.observe.http.test_web import Worker, fetch, served

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


def descriptors() -> int:
    """Return how many descriptors this process has open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def strangers(stack: ExitStack, port: int, count: int, sent: bytes = b"") -> list[socket.socket]:
    """Open connections that are never closed by their side."""

    def connect() -> list[socket.socket]:
        opened = [stack.enter_context(socket.create_connection(("127.0.0.1", port), 10)) for _ in range(count)]
        for one in opened:
            one.sendall(sent)
        return opened

    return await anyio.to_thread.run_sync(connect)


async def closed(connections: list[socket.socket], timeout_s: float) -> int:
    """Return how many of the connections the server has closed by the end of the time, or earlier if all are."""

    def count() -> int:
        ends, deadline_s = 0, time.monotonic() + timeout_s
        for one in connections:
            one.settimeout(max(0.01, deadline_s - time.monotonic()))
            try:
                while one.recv(65536):
                    pass
            except TimeoutError:
                continue
            except OSError:
                pass
            ends += 1
        return ends

    return await anyio.to_thread.run_sync(count)


@pytest.mark.parametrize(
    "sent", [b"", b"GET / HTTP/1.1\r\n", b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 99\r\n\r\n"]
)
async def test_probes_answer_while_strangers_hold_more_connections_than_we_take(sent):
    async with served(Worker().app) as url:
        with ExitStack() as stack:
            held = await strangers(stack, port_of(url), 3 * server.CONNECTIONS_MAX, sent)
            for _ in range(3):
                assert (await fetch(f"{url}/healthz"))[::2] == (200, "ok")
            assert await closed(held, 2.0) >= 2 * server.CONNECTIONS_MAX


async def test_500_slow_clients_leave_little_to_do_between_two_steps_of_a_batch():
    """Between two steps the loop calls each connection at most once, and there are only so many of them."""
    ready, over = getattr(asyncio.get_running_loop(), "_ready"), threading.Event()  # noqa: B009 - asyncio's own
    async with served(Worker().app) as url:
        with ExitStack() as stack:
            held = await strangers(stack, port_of(url), 500, b"GET / HTTP/1.1\r\nx: ")
            assert await closed(held, 2.0) >= 500 - server.CONNECTIONS_MAX

            def drip() -> None:
                while not over.is_set():
                    for one in held:
                        with suppress(OSError):
                            one.send(b"y", socket.MSG_DONTWAIT)

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(anyio.to_thread.run_sync, drip)
                most = 0
                for _ in range(500):
                    await anyio.lowlevel.checkpoint()
                    most = max(most, len(ready))
                over.set()
    assert most < 3 * server.CONNECTIONS_MAX


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HT", b"GET /healthz HTTP/1.1\r\nhost: x\r\nx: "])
async def test_a_request_that_does_not_end_is_given_up(monkeypatch, sent):
    monkeypatch.setattr(server, "REQUEST_S", 0.2)
    async with served(Worker().app) as url:
        with ExitStack() as stack:
            assert await closed(await strangers(stack, port_of(url), 5, sent), 5.0) == 5


async def test_headers_are_bounded():
    async with served(Worker().app) as url:
        with ExitStack() as stack:
            sent = b"GET / HTTP/1.1\r\nhost: x\r\nx: " + b"a" * (2 * server.HEADER_BYTES_MAX)
            assert await closed(await strangers(stack, port_of(url), 1, sent), 5.0) == 1


NOISE = (
    b"\x16\x03\x01\x02\x00\x01\x00",
    b"nonsense\r\n\r\n",
    b"GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
    b"GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
    b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    b"GET / HTTP/1.1\r\nhost: x\r\n\r\nGET",
    b"GET / HTTP/1.1\r\nhost: x\r\n\r\n\x00\x00\r\n\r\n",
    b"GET /%ff%00%0a HTTP/1.1\r\nhost: evil.example\r\n\r\n",
    b"GET / HTTP/9.9\r\nhost: x\r\n\r\n",
)


async def test_nothing_that_a_stranger_sends_is_logged(caplog):
    caplog.set_level(logging.DEBUG)
    async with served(Worker().app) as url:
        caplog.clear()
        with ExitStack() as stack:
            for sent in NOISE:
                held = await strangers(stack, port_of(url), 8, sent)
                for one in held[:4]:
                    one.close()
                assert (await fetch(f"{url}/healthz"))[0] == 200
    said = [record for record in caplog.records if record.name != "asyncio" or record.levelno > logging.DEBUG]
    assert not said, said


async def test_our_own_error_is_logged(caplog):
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise LookupError("a bug")

    async with served(broken) as url:
        assert (await fetch(f"{url}/healthz"))[0] == 500
    assert "a bug" in caplog.text


async def test_an_answer_that_nobody_reads_does_not_keep_its_descriptor(monkeypatch):
    monkeypatch.setattr(server, "IDLE_S", 1.0)
    async with served(PlainTextResponse(b"x" * 20_000_000)) as url:
        before = descriptors()
        with ExitStack() as stack:
            await strangers(stack, port_of(url), 5, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            assert (await fetch(f"{url}/", timeout_s=20))[0] == 200
            deadline_s = anyio.current_time() + 20
            while descriptors() > before + 5:  # theirs are in this process, too
                assert anyio.current_time() < deadline_s
                await anyio.lowlevel.checkpoint()


async def test_a_strangers_host_may_probe_but_not_read():
    async with served(Worker().app) as url:
        for path, status in {"/healthz": 200, "/readyz": 503, "/": 421, "/metrics": 421, "/status.json": 421}.items():
            assert (await fetch(url + path, headers={"host": "evil.example"}))[0] == status
        assert (await fetch(f"{url}/metrics", headers={"host": "backfill.jobs.svc:9464"}))[0] == 200


async def test_no_redirect_repeats_a_host():
    async with served(Worker().app) as url:
        status, headers, _ = await fetch(f"{url}/metrics/")
    assert (status, headers["location"]) == (404, None)


async def test_all_of_ipv6_is_all_of_ipv4_too():
    if not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6 here")
    async with served(Worker().app, host="::") as url:
        assert (await fetch(f"http://127.0.0.1:{port_of(url)}/healthz"))[0] == 200
        assert (await fetch(f"http://[::1]:{port_of(url)}/healthz"))[0] == 200
