"""A Prometheus is asked for one number: what it answers, how long that may take, and what is said if it does not."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from backfill.postgres.monitor import prometheus_query
from backfill.postgres.monitor.prometheus_query import Unanswered, read, value_of


def vector(*values: str) -> dict[str, Any]:
    series = [{"metric": {}, "value": [1.0, value]} for value in values]
    return {"status": "success", "data": {"resultType": "vector", "result": series}}


def test_of_several_series_the_highest_counts():
    assert value_of(vector("0.5", "0.75", "-1")) == 0.75


def test_a_scalar_is_a_value():
    assert value_of({"status": "success", "data": {"resultType": "scalar", "result": [1.0, "3"]}}) == 3.0


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (vector(), "prometheus has no series for the query"),
        (vector("1", "NaN"), "prometheus says NaN"),
        ({"status": "success", "data": {"resultType": "matrix", "result": []}}, "neither a scalar nor a vector"),
        ([], "neither a scalar nor a vector"),
        ({"status": "success", "data": {"resultType": "vector", "result": [{}]}}, "neither a scalar nor a vector"),
        ({"status": "success", "data": {"resultType": "vector", "result": "x"}}, "neither a scalar nor a vector"),
        ({"status": "success", "data": {"resultType": "scalar", "result": [1, "x"]}}, "neither a scalar nor a vector"),
        ({"status": "success", "data": {"resultType": "scalar", "result": [1, None]}}, "neither a scalar nor a vector"),
    ],
)
def test_no_number_is_reported(answer, words: str):
    with pytest.raises(Unanswered, match=words):
        value_of(answer)


def ask(url: str, query: str) -> float:
    return asyncio.run(read(url, query))


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        [query] = parse_qs(asked.query)["query"]
        if asked.path != "/prom/api/v1/query" or query == "bad":
            self.send_error(400)
            return
        if query == "long":
            self.send_error(500, "x" * 10_000)
            return
        if query == "nonsense":
            self.wfile.write(b"what?\r\n\r\n")
            return
        body = {"html": b"<html>", "deep": b"[" * 500_000}.get(query, json.dumps(vector("7")).encode())
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _Answers) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/prom"
        server.shutdown()
        thread.join()


def test_a_server_is_asked(url: str):
    assert ask(url, 'max(cpu{role="replica"}) + 1') == 7.0


def test_what_the_server_refuses_is_reported(url: str):
    with pytest.raises(Unanswered, match="prometheus answers 400 Bad Request"):
        ask(url, "bad")


def test_what_is_no_prometheus_is_reported(url: str):
    with pytest.raises(Unanswered, match="prometheus cannot be asked: Expecting value"):
        ask(url, "html")


@pytest.mark.parametrize("query", ["nonsense", "deep"])
def test_what_is_no_answer_is_reported(url: str, query: str):
    with pytest.raises(Unanswered, match="prometheus cannot be asked: "):
        ask(url, query)


def test_nobody_there_is_reported():
    with pytest.raises(Unanswered, match=r"prometheus cannot be asked: .*refused"):
        ask("http://127.0.0.1:1", "up")


@pytest.mark.parametrize("drip", [b"H", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\n\r\n["])
def test_an_answer_that_drips_is_given_up_in_time_and_its_thread_ends(monkeypatch: pytest.MonkeyPatch, drip: bytes):
    """Each byte comes within the socket's own timeout, so that only a bound on the whole ends it."""
    monkeypatch.setattr(prometheus_query, "TIMEOUT_S", 0.5)
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                connection.sendall(drip)
                while not over.wait(0.1):
                    connection.sendall(b" ")

        server = threading.Thread(target=answer)
        server.start()
        try:
            began_s = time.monotonic()
            with pytest.raises(Unanswered, match=r"prometheus gives no answer within 0\.5s"):
                ask(f"http://127.0.0.1:{listener.getsockname()[1]}", "up")
            asking = [thread for thread in threading.enumerate() if thread.name == "prometheus"]
            assert all(thread.daemon for thread in asking)
            for thread in asking:
                thread.join(10)
                assert not thread.is_alive()
            assert time.monotonic() - began_s < 10
        finally:
            over.set()
            server.join()


def test_the_words_of_a_server_are_cut(url: str):
    with pytest.raises(Unanswered) as refused:
        ask(url, "long")
    assert len(str(refused.value)) < 300
