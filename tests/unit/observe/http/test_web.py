"""The HTTP paths: health, readiness, metrics, status and the page."""

import base64
import hashlib
import json
import re
import signal
import socket
import urllib.error
import urllib.request
from contextlib import asynccontextmanager

import anyio
import anyio.to_thread
import pytest
from prometheus_client import CollectorRegistry

from backfill.observe.http import web
from backfill.observe.http.server import serve
from backfill.observe.job_statuses import JobStatuses
from backfill.observe.metrics.counters import MetricsSink
from tests import event_factories

SILENCE_MAX_S = 60.0
pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


class Worker:
    """A process's observers with a clock of our own."""

    def __init__(self):
        self.now_s = 0.0
        self.board, registry = JobStatuses(), CollectorRegistry()
        self.metrics = MetricsSink(registry)
        self.app = web.build_app(self.board, registry, clock=lambda: self.now_s, silence_max_s=SILENCE_MAX_S)

    def tell(self, *told_events):
        for event in told_events:
            self.board.record(event, self.now_s)
            self.metrics.record(event, self.now_s)


@pytest.fixture
def worker():
    return Worker()


@asynccontextmanager
async def served(app, host="127.0.0.1"):
    send, receive = anyio.create_memory_object_stream[tuple[str, int]](1)
    async with anyio.create_task_group() as tasks, send, receive:

        async def run():
            await serve(app, host, 0, started=send.send_nowait)

        tasks.start_soon(run)
        host, port = await receive.receive()
        host = f"[{host}]" if ":" in host else host
        yield f"http://{host}:{port}"
        tasks.cancel_scope.cancel()


async def fetch(url, *, method="GET", headers=(), timeout_s=5):
    def read():
        request = urllib.request.Request(url, method=method, headers=dict(headers))
        try:
            answer = urllib.request.urlopen(request, timeout=timeout_s)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            return answer.status, answer.headers, answer.read().decode()

    return await anyio.to_thread.run_sync(read)


async def test_metrics_are_text_at_the_exact_path(worker):
    worker.tell(event_factories.started())
    async with served(worker.app) as url:
        status, headers, body = await fetch(url + web.METRICS)
    assert (status, headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert 'backfill_lock_held{job="users-handle"} 1.0' in body


async def test_metrics_speak_openmetrics_when_asked(worker):
    async with served(worker.app) as url:
        _, headers, body = await fetch(
            url + web.METRICS, headers={"accept": "application/openmetrics-text;version=1.0.0"}
        )
    assert headers["content-type"].startswith("application/openmetrics-text")
    assert body.endswith("# EOF\n")


async def test_healthy_while_there_are_events(worker):
    async with served(worker.app) as url:
        assert (await fetch(url + web.HEALTH))[::2] == (200, "ok")
        worker.tell(event_factories.started())
        worker.now_s = SILENCE_MAX_S + 1
        assert (await fetch(url + web.HEALTH))[::2] == (503, "users-handle silent 1m01s > 1m00s")
        worker.tell(event_factories.wait_started())
        assert (await fetch(url + web.HEALTH))[::2] == (200, "ok")


async def test_ready_when_the_lock_is_known(worker):
    async with served(worker.app) as url:
        assert (await fetch(url + web.READY))[0] == 503
        worker.tell(event_factories.lock_waiting())
        assert (await fetch(url + web.READY))[::2] == (200, "ok")


async def test_status_is_the_board(worker):
    worker.tell(event_factories.started(), event_factories.batch_done())
    worker.now_s = 2.0
    async with served(worker.app) as url:
        status, headers, body = await fetch(url + web.STATUS)
    assert (status, headers["content-type"]) == (200, "application/json")
    assert json.loads(body) == worker.board.to_dict(2.0)


async def test_the_page_runs_its_own_script_only_and_needs_nothing_else(worker):
    async with served(worker.app) as url:
        status, headers, body = await fetch(url + web.PAGE)
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = headers["content-security-policy"]
    for tag in ("script", "style"):
        (own,) = re.findall(rf"<{tag}>(.*?)</{tag}>", body, re.DOTALL)
        assert f"{tag}-src 'sha256-{base64.b64encode(hashlib.sha256(own.encode()).digest()).decode()}'" in policy
    assert "unsafe" not in policy
    assert not re.findall(r"https?://|src=|innerHTML|style=", body)
    asked = set(re.findall(r"\bjob\.(\w+)", body))
    worker.tell(event_factories.started(), event_factories.retry_scheduled())
    (job,) = worker.board.to_dict(0.0)["jobs"]
    assert asked <= set(job)
    assert 'fetch("status.json"' in body


@pytest.mark.parametrize("path", [web.METRICS, web.HEALTH, web.READY, web.STATUS, web.PAGE])
async def test_read_only_and_plainly_headed(worker, path):
    async with served(worker.app) as url:
        _, headers, _ = await fetch(url + path)
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert "server" not in headers
        status, _, body = await fetch(url + path, method="HEAD")
        assert body == ""
        assert status == (503 if path == web.READY else 200)
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            assert (await fetch(url + path, method=method))[0] == 405


async def test_other_paths_are_not_found(worker):
    async with served(worker.app) as url:
        assert (await fetch(url + "/nothing"))[0] == 404


async def test_a_port_in_use_is_an_error_that_says_so(worker):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=rf"^cannot listen on 127\.0\.0\.1:{port}: the port is in use; .*--http"):
            await serve(worker.app, "127.0.0.1", port, started=lambda _address: None)


@pytest.mark.parametrize(("host", "port"), [("256.256.256.256", 0), ("127.0.0.1", 70_000)])
async def test_an_address_that_cannot_be_is_an_error_that_says_so(worker, host, port):
    with pytest.raises(OSError, match=r"^cannot listen on "):
        await serve(worker.app, host, port, started=lambda _address: None)


async def test_a_stopped_server_gives_the_port_back(worker):
    async with served(worker.app) as url:
        await fetch(url + web.HEALTH)
    port = int(url.rpartition(":")[2])
    with socket.create_server(("127.0.0.1", port)):
        pass


async def test_signals_stay_with_the_worker(worker):
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    async with served(worker.app):
        assert {number: signal.getsignal(number) for number in before} == before
